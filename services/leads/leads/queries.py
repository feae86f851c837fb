"""Reading leads: lists by keyset, one lead, its timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, select
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.errors import LeadNotFound
from services.leads.leads.models import Lead, LeadStatus
from services.leads.leads.touches import Touch
from services.leads.persons.models import NAME_WORDS, Person
from shared.contracts.leads import LeadSource
from shared.persian.text import fold
from shared.web import Keyset, PageParams, page_of

BY_CAPTURE = Keyset(sorts={"captured_at": Lead.captured_at}, id=Lead.id, default="-captured_at")
BY_RECORDING = Keyset(sorts={"recorded_at": Touch.recorded_at}, id=Touch.id, default="recorded_at")


@dataclass(frozen=True, slots=True)
class LeadFilters:
    """Which leads a list shows; what is None does not matter. `phone` is E.164, `q` begins words of a name."""

    status: LeadStatus | None = None
    agent_id: UUID | None = None
    source: LeadSource | None = None
    product: str | None = None
    phone: str | None = None
    overdue: bool | None = None
    captured_from: datetime | None = None
    captured_to: datetime | None = None
    q: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what a lead has to fulfil."""
        return [
            condition(value) for name, condition in CONDITIONS.items() if (value := getattr(self, name)) is not None
        ]


CONDITIONS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "status": lambda status: Lead.status == status,
    "agent_id": lambda agent_id: Lead.agent_id == agent_id,
    "source": lambda source: Lead.source == source,
    "product": lambda product: Lead.product == product,
    "phone": lambda phone: Lead.person_id.in_(select(Person.id).where(Person.phone == phone)),
    "overdue": lambda overdue: Lead.overdue_at.is_not(None) if overdue else Lead.overdue_at.is_(None),
    "captured_from": lambda start: Lead.captured_at >= start,
    "captured_to": lambda end: Lead.captured_at < end,
}

MOST_BY_NAME = 5_000
"""Up to this many people of a name, their leads are looked up and sorted; above it the list is walked past others."""


async def list_leads(
    tx: AsyncSession, filters: LeadFilters, params: PageParams
) -> tuple[list[tuple[Lead, Person]], str | None]:
    """Return a page of leads with their persons."""
    conditions = filters.conditions()
    if filters.q is not None:
        conditions.append(await _named(tx, filters.q))
    leads, cursor = await page_of(tx, select(Lead).where(*conditions), BY_CAPTURE, params, asdict(filters))
    persons = await tx.scalars(select(Person).where(Person.id.in_({lead.person_id for lead in leads})))
    known = {person.id: person for person in persons}
    return [(lead, known[lead.person_id]) for lead in leads], cursor


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


async def _named(tx: AsyncSession, q: str) -> ColumnElement[bool]:
    """Return the condition that a lead's person has, for each word of `q`, a word that begins with it.

    How many people that are decides how to look, as the planner cannot know: few are listed; of many, the next are
    soon met on the way.
    """
    matches = NAME_WORDS.op("@@")(cast(words_beginning_with(q), TSQUERY))
    found = (await tx.scalars(select(Person.id).where(matches).limit(MOST_BY_NAME + 1))).all()
    if len(found) <= MOST_BY_NAME:
        return Lead.person_id == any_(cast(found, ARRAY(Uuid)))
    return select(matches).where(Person.id == Lead.person_id).scalar_subquery()


def words_beginning_with(q: str) -> str:
    """Return a text query for words that begin with those of `q`, whatever they are written with."""
    words = (word.replace("\\", "\\\\").replace("'", "''") for word in fold(q).split())
    return " & ".join(f"'{word}':*" for word in words)
