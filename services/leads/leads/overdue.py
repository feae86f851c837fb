"""Questions that fall due unanswered, and leads that wait for an agent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.leads.agents.assignment import change_load, choose_agent, take_turn
from services.leads.agents.models import Agent
from services.leads.leads.models import IS_OPEN, Lead
from shared import outbox

AT_ONCE = 200


async def publish_overdue(tx: AsyncSession, *, at: datetime, reassign: bool) -> int:
    """Publish the questions that are due by `at`, once each, and hand their leads on; return how many there were."""
    statement = (
        select(Lead)
        .where(Lead.question_asked_at.is_not(None), Lead.overdue_at.is_(None), Lead.response_due_at <= at)
        .order_by(Lead.response_due_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    leads = (await tx.scalars(statement)).all()
    staff = await _those_to_tell(tx, {lead.agent_id for lead in leads if lead.agent_id is not None})
    if reassign and leads:
        await take_turn(tx)
    for lead in leads:
        owner_id, manager_id = staff.get(lead.agent_id, (None, None))
        outbox.add(tx, lead.fall_due(at=at, owner_id=owner_id, manager_id=manager_id))
        if reassign and lead.agent_id is not None:
            await _hand_on(tx, lead, lead.agent_id, at)
    return len(leads)


async def assign_waiting(tx: AsyncSession, *, at: datetime) -> int:
    """Assign open leads that have no agent, or one who left, the longest waiting first; return how many were."""
    gone = (await tx.scalars(select(Agent.id).where(~Agent.active, Agent.open_leads > 0))).all()
    statement = (
        select(Lead)
        .where(or_(Lead.agent_id.is_(None), Lead.agent_id.in_(gone)) if gone else Lead.agent_id.is_(None), IS_OPEN)
        .order_by(Lead.captured_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    assigned = 0
    waiting = (await tx.scalars(statement)).all()
    if waiting:
        await take_turn(tx)
    for lead in waiting:
        agent_id = await choose_agent(tx, at=at)
        if agent_id is None:
            break
        change_load(tx, lead.agent_id, -1)
        outbox.add(tx, lead.assign(agent_id, at=at))
        assigned += 1
    return assigned


async def _hand_on(tx: AsyncSession, lead: Lead, agent_id: UUID, at: datetime) -> None:
    """Hand a lead to another agent on duty, if there is one."""
    successor = await choose_agent(tx, at=at, besides=[agent_id])
    if successor is not None:
        change_load(tx, agent_id, -1)
        outbox.add(tx, lead.assign(successor, at=at))


async def _those_to_tell(
    tx: AsyncSession, agent_ids: set[UUID]
) -> Mapping[UUID | None, tuple[UUID | None, UUID | None]]:
    """Return of each agent who of them and of their manager is still with us, and is told."""
    manager = aliased(Agent)
    statement = (
        select(Agent.id, case((Agent.active, Agent.id)), manager.id)
        .outerjoin(manager, and_(manager.id == Agent.manager_id, manager.active))
        .where(Agent.id.in_(agent_ids))
    )
    return {agent_id: (owner_id, manager_id) for agent_id, owner_id, manager_id in await tx.execute(statement)}
