"""Who gets a lead: the agent on duty with the fewest open leads for their capacity; ties go to who waited longest.

Shares are counted on the agents' rows. One transaction at a time chooses, so that each sees what the one before it
did; and a transaction that changes more than one agent's count does so as a chooser, so that no two ever wait for
each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db import before_commit, driver

TURN = 4_911_027_365_001
"""Advisory lock of whoever chooses, until it commits."""

AVAILABLE = "active AND on_duty AND role = 'agent' AND id <> ALL($1::uuid[])"

TAKE_TURN = "SELECT pg_advisory_xact_lock($1)"

TAKE_TURN_IF_ANYBODY = f"""
SELECT true, pg_advisory_xact_lock($2) FROM (SELECT FROM agents WHERE {AVAILABLE} LIMIT 1) AS anybody
"""

CHOOSE = f"""
UPDATE agents SET open_leads = open_leads + 1, last_assigned_at = $2
WHERE id = (
    SELECT id FROM agents WHERE {AVAILABLE}
    ORDER BY open_leads::float8 / capacity, last_assigned_at NULLS FIRST, id LIMIT 1
)
RETURNING id
"""

CHANGE = """
UPDATE agents SET open_leads = open_leads + change.by
FROM unnest($1::uuid[], $2::int[]) AS change (id, by) WHERE agents.id = change.id
"""


async def choose_agent(tx: AsyncSession, *, at: datetime, besides: Collection[UUID] = ()) -> UUID | None:
    """Give a lead to an agent and return who it is; None if nobody but `besides` is on duty.

    The choice is a statement of its own after the lock, since a statement sees what was committed when it began.
    """
    excluded = list(besides)
    if not await driver(tx).fetchval(TAKE_TURN_IF_ANYBODY, excluded, TURN):
        return None
    return cast("UUID | None", await driver(tx).fetchval(CHOOSE, excluded, at))


def change_load(tx: AsyncSession, agent_id: UUID | None, by: int) -> None:
    """Count a lead to an agent (1) or off (-1), last thing before the commit."""
    if agent_id is not None:
        changes: Counter[UUID] = tx.info.setdefault("agent_load", Counter())
        changes[agent_id] += by
        before_commit(tx, _write_load)


async def _write_load(tx: AsyncSession) -> None:
    changes = {agent_id: by for agent_id, by in tx.info.pop("agent_load").items() if by}
    if len(changes) > 1:
        await driver(tx).execute(TAKE_TURN, TURN)
    if changes:
        await driver(tx).execute(CHANGE, list(changes), list(changes.values()))
