"""What leads and agents are now, said again after a restore."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.leads.agents.models import Agent
from services.leads.leads.models import Lead
from services.leads.leads.rules import FunnelStage
from services.leads.persons.models import Person
from shared.clock import utcnow
from shared.contracts import Event
from shared.contracts.leads import LeadAssigned, LeadStageChanged


async def restate_leads(tx: AsyncSession, ids: Collection[UUID]) -> Sequence[Event]:
    """Say of those of `ids` that are leads whose they are, what is known of them and how far they have come."""
    statement = (
        select(Lead, Person.province)
        .join(Person, Person.id == Lead.person_id)
        .where(_among(Lead.id, ids))
        .order_by(Lead.id)
    )
    return [event for lead, province in await tx.execute(statement) for event in _restated(lead, province)]


async def restate_agents(tx: AsyncSession, ids: Collection[UUID]) -> Sequence[Event]:
    """Say what those of `ids` that are agents are."""
    return [
        agent.updated() for agent in await tx.scalars(select(Agent).where(_among(Agent.id, ids)).order_by(Agent.id))
    ]


def _restated(lead: Lead, province: str | None) -> tuple[Event, ...]:
    now, stage = utcnow(), FunnelStage(lead.funnel_stage)
    owner = LeadAssigned(
        lead_id=lead.id,
        person_id=lead.person_id,
        agent_id=lead.agent_id,
        previous_agent_id=lead.agent_id,
        occurred_at=now,
    )
    standing = LeadStageChanged(
        lead_id=lead.id,
        person_id=lead.person_id,
        before=stage.value,
        after=stage.value,
        reason="restated",
        occurred_at=now,
    )
    return owner, lead.updated((), province=province), standing


def _among(column: InstrumentedAttribute[UUID], ids: Collection[UUID]) -> ColumnElement[bool]:
    return column == any_(cast(list(ids), ARRAY(Uuid)))
