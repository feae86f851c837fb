"""A person as messaging knows them: which of the cards speaks for them. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.persian.phone import InvalidPhone, mobile

TOPIC_OF_PRODUCER = {"customers.events.v1": CUSTOMERS_CONTACTS, "leads.events.v1": "leads.contacts.v1"}
"""The contact topic whose card a fact of a producer needs."""


@dataclass(frozen=True, slots=True)
class Card:
    """The newest card of one topic, or its tombstone."""

    topic: str
    person_id: UUID
    version: int
    erased: bool = False
    kind: str = "lead"
    first_name: str | None = None
    last_name: str | None = None
    phones: tuple[str, ...] = ()
    """Their own first, then those of a family or an office."""
    emails: tuple[str, ...] = ()
    locale: str = "fa"
    accepts_service: bool = True
    accepts_promotional: bool = False

    def address(self, channel: str) -> str | None:
        """Return where the person is reached over `channel`; a landline takes no SMS."""
        if channel == "sms":
            return next((phone for phone in self.phones if _takes_sms(phone)), None)
        return self.emails[0] if self.emails else None


def _takes_sms(phone: str) -> bool:
    try:
        mobile(phone)
    except InvalidPhone:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person: their cards, and whether an erasure was recorded."""

    cards: tuple[Card, ...] = ()
    erased: bool = False

    @property
    def card(self) -> Card | None:
        """Return the card that speaks for them: the customers service's wins over that of leads."""
        ranked = sorted(self.cards, key=lambda card: card.topic != CUSTOMERS_CONTACTS)
        return next((card for card in ranked if not card.erased), None)

    @property
    def gone(self) -> bool:
        """Say whether they were erased: recorded as such, or nothing but tombstones is left."""
        return self.erased or (bool(self.cards) and all(card.erased for card in self.cards))

    def awaits(self, person_id: UUID, topic: str | None, version: int) -> bool:
        """Say whether the card that a message to `person_id` needs has not come yet, or only an older one.

        Who goes by another id since a merge is known by the card of that one, whose versions are its own.
        """
        if topic is None or any(card.person_id != person_id for card in self.cards):
            return self.card is None
        return not any(card.topic == topic and card.version >= version for card in self.cards)


def known_by_id(cards: Iterable[tuple[UUID, Card]], erased: Iterable[UUID]) -> dict[UUID, Known]:
    """Gather the cards that were read, by the id that was asked for."""
    found: dict[UUID, list[Card]] = {}
    for asked, card in cards:
        found.setdefault(asked, []).append(card)
    gone = set(erased)
    return {person: Known(tuple(found.get(person, ())), person in gone) for person in found.keys() | gone}
