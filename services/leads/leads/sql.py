"""Written SQL of the hot path: what a capture writes, of one or of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


def _values(columns: tuple[str, ...], *, after: int = 0) -> str:
    numbers = range(after + 1, after + 1 + len(columns))
    return f"({', '.join(columns)}) VALUES ({', '.join(f'${number}' for number in numbers)})"


NEW_PERSON = f"INSERT INTO persons AS kept {_values(PERSON_COLUMNS)}"
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


_LEAD_AND_TOUCH = f"""
lead AS (INSERT INTO leads {_values(LEAD_COLUMNS, after=len(PERSON_COLUMNS))}),
touch AS (INSERT INTO touches {_values(TOUCH_COLUMNS, after=len(PERSON_COLUMNS) + len(LEAD_COLUMNS))})
"""
STORE_STRANGER = f"WITH person AS ({NEW_PERSON}), {_LEAD_AND_TOUCH} SELECT"
STORE_KNOWN = f"WITH person AS ({KNOWN_PERSON}), {_LEAD_AND_TOUCH} SELECT * FROM person"

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
        """Return the parameters of `STORE_STRANGER` and `STORE_KNOWN`."""
        return *_of_person(self.person), *_of_lead(self.lead), *_of_touch(self.touch)


async def store_strangers(tx: AsyncSession, new: Sequence[Captures]) -> None:
    """Write the leads of people whom nobody knew, and then the events that speak of them."""
    await driver(tx).executemany(STORE_STRANGER, [each.values for each in new])
    await outbox.write(tx, [row for each in new for row in each.events])


async def store_known(tx: AsyncSession, new: Captures) -> NewPerson:
    """Write the lead of a person who was known before; return them as they are known now.

    Raises `ErasedMeanwhile`, and the transaction is to be given up.
    """
    row = await driver(tx).fetchrow(STORE_KNOWN, *new.values)
    if row is None:
        raise ErasedMeanwhile
    await outbox.write(tx, new.events)
    return NewPerson(**row)
