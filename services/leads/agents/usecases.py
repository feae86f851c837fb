"""What is done with agents: they join, and change."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.errors import AgentNotFound, NoManager
from services.leads.agents.models import Agent
from services.leads.agents.schemas import AgentCreate, AgentPatch
from shared import outbox
from shared.clock import utcnow
from shared.contracts.cards import LEADS_CONTACTS
from shared.ids import new_id


async def add_agent(tx: AsyncSession, new: AgentCreate) -> Agent:
    """Record a member of staff."""
    await _check_manager(tx, new.manager_id)
    at = utcnow()
    agent = Agent(id=new_id(), created_at=at, updated_at=at, **new.model_dump())
    tx.add(agent)
    await tx.flush()
    outbox.add(tx, agent.added())
    outbox.add_card(tx, LEADS_CONTACTS, agent.id)
    return agent


async def change_agent(tx: AsyncSession, agent: Agent, patch: AgentPatch) -> Agent:
    """Change the fields that `patch` gives of an agent whose row is locked."""
    given = patch.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value != getattr(agent, name)}
    if not changes:
        return agent
    await _check_manager(tx, changes.get("manager_id"), of=agent.id)
    return await _store(tx, agent.id, changes, at=utcnow())


async def lock_agent(tx: AsyncSession, agent_id: UUID) -> Agent:
    """Return an agent, whom nobody else changes until the transaction ends."""
    agent = await tx.scalar(select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True))
    if agent is None:
        raise AgentNotFound(agent_id)
    return agent


async def _store(tx: AsyncSession, agent_id: UUID, changes: dict[str, Any], *, at: datetime) -> Agent:
    statement = (
        update(Agent)
        .where(Agent.id == agent_id)
        .values(**changes, version=Agent.version + 1, updated_at=at)
        .returning(Agent)
        .execution_options(populate_existing=True)
    )
    agent = (await tx.execute(statement)).scalar_one()
    outbox.add(tx, agent.updated())
    outbox.add_card(tx, LEADS_CONTACTS, agent.id)
    return agent


async def _check_manager(tx: AsyncSession, manager_id: UUID | None, *, of: UUID | None = None) -> None:
    if manager_id is None:
        return
    manager = await tx.get(Agent, manager_id)
    if manager is None or manager.role != "manager" or not manager.active or manager.id == of:
        raise NoManager(manager_id)
