"""Written SQL of the hot path: a capture is one statement, which writes person, lead, touch and events."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter, itemgetter
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.errors import ErasedMeanwhile
from services.leads.leads.models import Lead
from services.leads.persons.models import Person
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

OUTBOX_PARAMETERS = 10
"""The statement of the outbox takes its values as `$1` to `$10`."""


def _values(columns: tuple[str, ...], *, after: int) -> str:
    numbers = range(after + 1, after + 1 + len(columns))
    return f"({', '.join(columns)}) VALUES ({', '.join(f'${number}' for number in numbers)})"


LEADS_FROM = OUTBOX_PARAMETERS + len(PERSON_COLUMNS)

CAPTURE = f"""
WITH events AS (
    {outbox.INSERT}
), lead AS (
    INSERT INTO leads {_values(LEAD_COLUMNS, after=LEADS_FROM)}
), touch AS (
    INSERT INTO touches {_values(TOUCH_COLUMNS, after=LEADS_FROM + len(LEAD_COLUMNS))}
)
INSERT INTO persons AS kept {_values(PERSON_COLUMNS, after=OUTBOX_PARAMETERS)}
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
they were looked up. The constraints between the tables are checked when the statement ends."""

_of_person, _of_lead, _of_touch = attrgetter(*PERSON_COLUMNS), attrgetter(*LEAD_COLUMNS), itemgetter(*TOUCH_COLUMNS)


async def store_capture(
    tx: AsyncSession, person: Person, lead: Lead, touch: Mapping[str, Any], events: list[tuple[Any, ...]]
) -> Mapping[str, Any]:
    """Write a captured lead with all that belongs to it; return the values of its person as they are known now.

    Raises `ErasedMeanwhile`, and the transaction is to be given up.
    """
    columns = (list(column) for column in zip(*events, strict=True))
    row = await driver(tx).fetchrow(CAPTURE, *columns, *_of_person(person), *_of_lead(lead), *_of_touch(touch))
    if row is None:
        raise ErasedMeanwhile
    outbox.written(tx)
    return cast("Mapping[str, Any]", row)
