"""What was acknowledged: the people of a load, and what the deployment said yes to about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Bought:
    """An acknowledged purchase; `greeted` where it is recent enough for thanks and a question."""

    id: str
    occurred_at: datetime
    value_minor: int
    greeted: bool = True
    cancelled: bool = False


@dataclass(slots=True)
class Person:
    """Somebody made up, and all that was acknowledged about them."""

    number: str
    first_name: str
    person_id: str | None = None
    lead_id: str | None = None
    recaptured: int = 0
    touches: list[str] = field(default_factory=list)
    in_time: bool = False
    qualified: bool = False
    converted: bool = False
    purchases: list[Bought] = field(default_factory=list)
    coupon_used: str | None = None
    tickets: list[str] = field(default_factory=list)
    answer: int | None = None
    erased: bool = False

    @property
    def typed(self) -> str:
        """Return the number as somebody types it with a Persian keyboard."""
        digits = self.number.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
        return f"{digits[:4]} {digits[4:7]} {digits[7:]}"

    @property
    def counting(self) -> list[Bought]:
        return [each for each in self.purchases if not each.cancelled]

    @property
    def unhappy(self) -> bool:
        return self.answer is not None and self.answer <= 2

    def expected_texts(self) -> dict[str, int]:
        """Return how many texts of each kind the phone has to show in the end, if the person was not erased."""
        greeted = [each for each in self.purchases if each.greeted]
        return {
            "acknowledgement": int(self.lead_id is not None),
            "welcome": int(self.converted),
            "thanks": len(greeted),
            "question": int(bool(greeted)),
            "apology": int(self.unhappy),
        }


@dataclass(slots=True)
class Ledger:
    """All people of a run, and how the requests about them went.

    Those that were turned away got 503, and were told when to come back; an ingress that gave up waiting says 504.
    """

    people: list[Person] = field(default_factory=list)
    acknowledged: int = 0
    retries: int = 0
    cut: int = 0
    turned_away: int = 0
    gave_up: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def leads(self) -> list[Person]:
        return [person for person in self.people if person.lead_id is not None]

    def purchases(self) -> Iterator[Bought]:
        """Yield every acknowledged purchase."""
        for person in self.people:
            yield from person.purchases
