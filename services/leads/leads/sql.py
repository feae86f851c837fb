"""Written SQL of the hot path: a capture is one statement, which writes person, lead, touch and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.errors import ErasedMeanwhile
from services.leads.leads.records import NewLead
from services.leads.persons.records import NewPerson
from shared import outbox
from shared.db import driver

PERSON_COLUMNS = (
    "id", "first_name", "last_name", "name_folded", "phone", "phone_typed", "phone_shared", "email", "province", "city",
    "accepts_promotional", "promotional_consent_at", "identifies", "created_at",
)  # fmt: skip
LEAD_COLUMNS = (
    "id", "person_id", "slot", "status", "funnel_stage", "kind", "source", "direction", "awareness", "campaign",
    "product", "cost_minor", "expected_amount_minor", "currency", "note", "referrer_person_id",
    "possible_duplicate_of", "agent_id", "captured_at", "question_asked_at", "response_due_at", "answered_at",
    "response_s", "answered_in_time", "updated_at",
)  # fmt: skip
TOUCH_COLUMNS = (
    "id", "lead_id", "kind", "direction", "channel", "by", "agent_id", "source", "campaign", "asks", "occurred_at",
    "recorded_at",
)  # fmt: skip


def _values(columns: tuple[str, ...], *, after: int) -> str:
    numbers = range(after + 1, after + 1 + len(columns))
    return f"({', '.join(columns)}) VALUES ({', '.join(f'${number}' for number in numbers)})"


TOUCH_FROM = len(PERSON_COLUMNS) + len(LEAD_COLUMNS)
EVENTS_FROM = TOUCH_FROM + len(TOUCH_COLUMNS)

NEW_PERSON = f"INSERT INTO persons AS kept {_values(PERSON_COLUMNS, after=0)}"
KNOWN_PERSON = f"""
{NEW_PERSON}
ON CONFLICT (id) DO UPDATE SET
    first_name = CASE WHEN kept.name_folded = '' THEN excluded.first_name ELSE kept.first_name END,
    last_name = CASE WHEN kept.name_folded = '' THEN excluded.last_name ELSE kept.last_name END,
    name_folded = CASE WHEN kept.name_folded = '' THEN excluded.name_folded ELSE kept.name_folded END,
    phone = coalesce(kept.phone, excluded.phone),
    phone_typed = coalesce(kept.phone_typed, excluded.phone_typed),
    phone_shared = CASE WHEN kept.phone IS NULL THEN excluded.phone_shared ELSE kept.phone_shared END,
    email = coalesce(kept.email, excluded.email),
    province = coalesce(kept.province, excluded.province),
    city = coalesce(kept.city, excluded.city),
    accepts_promotional = kept.accepts_promotional OR excluded.accepts_promotional,
    promotional_consent_at = coalesce(kept.promotional_consent_at, excluded.promotional_consent_at)
WHERE kept.erased_at IS NULL
RETURNING {", ".join(PERSON_COLUMNS)}
"""
"""What is known of a person stays; a later capture only adds to it. Nothing is returned for one who was erased since
they were looked up."""


@cache
def writing(events: int, *, person: str, gives: str = "") -> str:
    """Return the statement that writes a lead with so many events, and its person by `person`; it gives `gives`.

    The constraints between the tables are checked when the statement ends.
    """
    return f"""
    WITH events AS ({outbox.inserting(events, after=EVENTS_FROM)}),
    lead AS (INSERT INTO leads {_values(LEAD_COLUMNS, after=len(PERSON_COLUMNS))}),
    touch AS (INSERT INTO touches {_values(TOUCH_COLUMNS, after=TOUCH_FROM)}),
    person AS ({person})
    SELECT {gives}
    """


_of_person, _of_lead, _of_touch = attrgetter(*PERSON_COLUMNS), attrgetter(*LEAD_COLUMNS), itemgetter(*TOUCH_COLUMNS)


@dataclass(frozen=True, slots=True)
class Captures:
    """All that a new lead is written as."""

    person: NewPerson
    lead: NewLead
    touch: Mapping[str, Any]
    events: list[tuple[Any, ...]]

    @property
    def values(self) -> tuple[Any, ...]:
        """Return the parameters of `writing`."""
        return *_of_person(self.person), *_of_lead(self.lead), *_of_touch(self.touch), *chain.from_iterable(self.events)


async def store_strangers(tx: AsyncSession, new: Sequence[Captures]) -> None:
    """Write the leads of people whom nobody knew."""
    for events in {len(each.events) for each in new}:
        alike = [each.values for each in new if len(each.events) == events]
        await driver(tx).executemany(writing(events, person=NEW_PERSON), alike)
    outbox.written(tx)


async def store_known(tx: AsyncSession, new: Captures) -> NewPerson:
    """Write the lead of a person who was known before; return them as they are known now.

    Raises `ErasedMeanwhile`, and the transaction is to be given up.
    """
    statement = writing(len(new.events), person=KNOWN_PERSON, gives="* FROM person")
    row = await driver(tx).fetchrow(statement, *new.values)
    if row is None:
        raise ErasedMeanwhile
    outbox.written(tx)
    return NewPerson(**row)
