"""Reading leads: lists by keyset, one lead, its timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.errors import LeadNotFound
from services.leads.leads.models import Lead
from services.leads.leads.rules import LeadStatus
from services.leads.leads.schemas import LEAD_FIELDS, OF_PERSON
from services.leads.leads.touches import Touch
from services.leads.persons.models import Person
from shared.contracts.leads import LeadSource
from shared.persian.text import fold
from shared.web import Keyset, LeadingFilter, PageParams, page_of
from shared.web.paging import rows_of

BY_CAPTURE = Keyset(sorts={"captured_at": Lead.captured_at}, id=Lead.id, default="-captured_at")
BY_RECORDING = Keyset(sorts={"recorded_at": Touch.recorded_at}, id=Touch.id, default="recorded_at")


@dataclass(frozen=True, slots=True)
class LeadFilters:
    """Which leads a list shows; what is None does not matter. `phone` is E.164, `name` begins words of a name."""

    status: LeadStatus | None = None
    agent_id: UUID | None = None
    source: LeadSource | None = None
    product: str | None = None
    phone: str | None = None
    overdue: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None


CONDITIONS: Mapping[str, str] = {
    "status": "leads.status = {}",
    "agent_id": "leads.agent_id = {}",
    "source": "leads.source = {}",
    "product": "leads.product = {}",
    "phone": "leads.person_id IN (SELECT id FROM persons WHERE phone = {})",
    "overdue": "leads.overdue_at IS NOT NULL AND {}",
}
NOT_OVERDUE = "leads.overdue_at IS NULL AND NOT {}"
LEADING_FILTERS = ("agent_id", "product", "source", "status")
BY_PERSON = ("phone", "name")
"""Filters that few leads pass, as they do `overdue`, which has an index of its own."""


def _shown(field: str) -> str:
    if field == "overdue":
        return "leads.overdue_at IS NOT NULL AS overdue"
    if field == "reason":
        return "leads.disqualified_for AS reason"
    return f"{'persons' if field in OF_PERSON else 'leads'}.{field}"


LISTED = f"""
SELECT {", ".join(map(_shown, LEAD_FIELDS))} FROM leads JOIN persons ON persons.id = leads.person_id WHERE true
"""
"""What a list shows of its leads: what `LeadOut` names."""

MOST_BY_NAME = 5_000
"""Up to this many people of a name, their leads are looked up and sorted; above it the list is walked past others."""


NAMED = """
SELECT id FROM persons WHERE array_to_tsvector(string_to_array(name_folded, ' ')) @@ $1::text::tsquery LIMIT $2
"""
HAS_NAME = """
(SELECT array_to_tsvector(string_to_array(name_folded, ' ')) @@ {}::text::tsquery
 FROM persons AS named WHERE named.id = leads.person_id)
"""


async def list_leads(
    connection: asyncpg.Connection, filters: LeadFilters, params: PageParams
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of leads with their persons, each as the values that `LeadOut` names."""
    asked = asdict(filters)
    given = {name: value for name, value in asked.items() if value is not None}
    few = filters.overdue or not given.keys().isdisjoint(BY_PERSON)
    leading = LeadingFilter.of(Lead, asked, *LEADING_FILTERS) if not few else None
    known = CONDITIONS if filters.overdue is not False else {**CONDITIONS, "overdue": NOT_OVERDUE}
    named = [name for name in known if name in given and not (leading is not None and leading.column.key == name)]
    values, wanted = [given[name] for name in named], [known[name] for name in named]
    if filters.name is not None:
        condition, value = await _named(connection, filters.name)
        wanted.append(condition)
        values.append(value)
    conditions = "".join(f" AND {each.format(f'${number}')}" for number, each in enumerate(wanted, start=1))
    span = (filters.since, filters.until)
    rows, cursor = await rows_of(connection, LISTED + conditions, values, BY_CAPTURE, params, given, leading, span)
    return [dict(row) for row in rows], cursor


async def find_lead(tx: AsyncSession, lead_id: UUID, *, of_agent: UUID | None = None) -> tuple[Lead, Person]:
    """Return a lead with its person; `of_agent` sees only their own."""
    lead = await tx.get(Lead, lead_id)
    if lead is None or (of_agent is not None and lead.agent_id != of_agent):
        raise LeadNotFound(lead_id)
    return lead, await person_of(tx, lead)


async def person_of(tx: AsyncSession, lead: Lead) -> Person:
    """Return who a lead speaks of."""
    return await tx.get_one(Person, lead.person_id)


async def list_touches(tx: AsyncSession, lead_id: UUID, params: PageParams) -> tuple[list[Touch], str | None]:
    """Return a page of a lead's timeline, in the order of recording."""
    statement = select(Touch).where(Touch.lead_id == lead_id)
    return await page_of(tx, statement, BY_RECORDING, params, {"lead_id": lead_id})


async def _named(connection: asyncpg.Connection, name: str) -> tuple[str, object]:
    """Return the condition that a lead's person has, for each word of `name`, a word that begins with it.

    How many people that are decides how to look, as the planner cannot know: few are listed; of many, the next are
    soon met on the way.
    """
    words = words_beginning_with(name)
    found = [row["id"] for row in await connection.fetch(NAMED, words, MOST_BY_NAME + 1)]
    if len(found) <= MOST_BY_NAME:
        return "leads.person_id = ANY({}::uuid[])", found
    return HAS_NAME, words


def words_beginning_with(name: str) -> str:
    """Return a text query for words that begin with those of `name`, whatever they are written with."""
    words = (word.replace("\\", "\\\\").replace("'", "''") for word in fold(name).split())
    return " & ".join(f"'{word}':*" for word in words)
