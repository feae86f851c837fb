"""The copy of who the agents are, and which manager a complaint goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.tickets.errors import UnknownAgent
from shared.contracts import Received
from shared.contracts.leads import AgentAdded, AgentUpdated, LeadsWithdrawal
from shared.db import driver
from shared.outbox.consumer import Consumer

consumer = Consumer("customers")

KEEP: Final = """
INSERT INTO agents AS kept (agent_id, role, team, manager_id, on_duty, active, version)
SELECT DISTINCT ON (agent_id) *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::boolean[], $6::boolean[], $7::bigint[])
     AS new(agent_id, role, team, manager_id, on_duty, active, version)
ORDER BY agent_id, version DESC
ON CONFLICT (agent_id) DO UPDATE
SET role = excluded.role, team = excluded.team, manager_id = excluded.manager_id, on_duty = excluded.on_duty,
    active = excluded.active, version = excluded.version
WHERE kept.version < excluded.version
"""

MANAGER: Final = """
SELECT managers.agent_id
FROM agents AS managers
WHERE managers.role = 'manager' AND managers.active
ORDER BY (managers.agent_id = (SELECT manager_id FROM agents WHERE agent_id = $1)) DESC NULLS LAST,
         managers.on_duty DESC,
         (SELECT count(*) FROM tickets WHERE tickets.agent_id = managers.agent_id AND tickets.status <> 'resolved'),
         managers.agent_id
LIMIT 1
"""


@consumer.state(AgentAdded, AgentUpdated, batch=True)
async def keep_agents(tx: AsyncSession, received: Sequence[Received[AgentAdded | AgentUpdated]]) -> None:
    """Keep what each agent is now."""
    await driver(tx).execute(
        KEEP,
        [each.event.agent_id for each in received],
        [each.event.role for each in received],
        [each.event.team for each in received],
        [each.event.manager_id for each in received],
        [each.event.on_duty for each in received],
        [getattr(each.event, "active", True) for each in received],
        [each.version for each in received],
    )


@consumer.state(LeadsWithdrawal, batch=True)
async def drop_withdrawn_agents(tx: AsyncSession, received: Sequence[Received[LeadsWithdrawal]]) -> None:
    """Drop the agents whose joining the leads service does not know any more."""
    gone = [each.event.subject_id for each in received if each.event.event_type == AgentAdded.type]
    await driver(tx).execute("DELETE FROM agents WHERE agent_id = ANY($1::uuid[])", gone)


async def manager_for(connection: asyncpg.Connection, agent_id: UUID | None) -> UUID | None:
    """Return the manager a complaint goes to: that of the agent concerned, else the one with the fewest tickets."""
    manager: UUID | None = await connection.fetchval(MANAGER, agent_id)
    return manager


async def refuse_unknown(connection: asyncpg.Connection, agent_id: UUID) -> None:
    """Raise `UnknownAgent` for an id that is no active agent's."""
    if not await connection.fetchval("SELECT true FROM agents WHERE agent_id = $1 AND active", agent_id):
        raise UnknownAgent(agent_id)
