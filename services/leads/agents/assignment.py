"""Who gets a lead: the agent on duty with the fewest open leads for their capacity; ties go to who waited longest.

Shares are counted on the agents' rows. Captures choose side by side, each of them among the agents whom no other is
choosing at that moment and who are at most `AHEAD` leads ahead of the fewest. Only where all of those are being chosen
does one wait, and those who wait spread over them. The counts are exact, so whoever got one too many is passed over
next. A transaction that changes more than one agent's count does so in turn, so that no two ever wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db import before_commit, driver

TURN = 4_911_027_365_001
"""Advisory lock of whoever changes the counts of several agents, until it commits."""

TAKE_TURN = "SELECT pg_advisory_xact_lock($1)"


AHEAD = 2
"""How many leads an agent may be ahead of the fewest and still be chosen, because whoever has the fewest is taken."""


def _giving(*, order: str) -> str:
    """Return the statement that gives a lead at $2 to the first, in an order, of those near the fewest, but for $1.

    Who is near the fewest is decided by the statement's snapshot, as a condition that a change meanwhile could undo
    would leave the row locked and go on to the next. One subselect that locks, no more: where an agent was changed
    meanwhile, PostgreSQL runs all that have not run yet, and who holds one agent would wait for another.
    """
    on_duty = "active AND on_duty AND role = 'agent' AND id <> ALL($1::uuid[])"
    near = f"""
    SELECT id FROM agents WHERE {on_duty} AND open_leads::float8 / capacity <= (
        SELECT min((open_leads + {AHEAD})::float8 / capacity) FROM agents WHERE {on_duty}
    )
    """
    return f"""
    UPDATE agents SET open_leads = open_leads + 1, last_assigned_at = $2
    WHERE id = (SELECT id FROM agents WHERE {on_duty} AND id = ANY(ARRAY({near})) ORDER BY {order})
    RETURNING id
    """


CHOOSE = _giving(
    order="open_leads::float8 / capacity, last_assigned_at NULLS FIRST, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
)
WAIT = _giving(order="random() LIMIT 1 FOR NO KEY UPDATE")

CHANGE = """
UPDATE agents SET open_leads = open_leads + change.by
FROM unnest($1::uuid[], $2::int[]) AS change (id, by) WHERE agents.id = change.id
"""


async def choose_agent(tx: AsyncSession, *, at: datetime, besides: Collection[UUID] = ()) -> UUID | None:
    """Give a lead to an agent and return who it is; None if nobody but `besides` is on duty.

    The last thing that a transaction waits for, as it keeps the agent from others; more than one is chosen in turn.
    """
    chosen = await driver(tx).fetchval(CHOOSE, list(besides), at) or await driver(tx).fetchval(WAIT, list(besides), at)
    return cast("UUID | None", chosen)


async def choose_agents(tx: AsyncSession, times: Sequence[datetime]) -> list[UUID | None]:
    """Give a lead of each of `times` to an agent, in that order, and return who they are, as far as some are free.

    Whom this transaction has chosen it may choose again. It waits for somebody only as long as it holds nobody, so
    that no two ever wait for each other. None stands for all where nobody is on duty.
    """
    chosen: list[UUID | None] = await _those_free(tx, times)
    if chosen or not times:
        return chosen
    first = await driver(tx).fetchval(WAIT, [], times[0])
    return [first, *await _those_free(tx, times[1:])] if first is not None else [None] * len(times)


async def _those_free(tx: AsyncSession, times: Sequence[datetime]) -> list[UUID | None]:
    return [row["id"] for row in await driver(tx).fetchmany(CHOOSE, [([], at) for at in times])]


async def take_turn(tx: AsyncSession) -> None:
    """Keep others from changing the counts of several agents until `tx` ends; before the first of them is changed."""
    await driver(tx).execute(TAKE_TURN, TURN)


def change_load(tx: AsyncSession, agent_id: UUID | None, by: int) -> None:
    """Count a lead to an agent (1) or off (-1), last thing before the commit."""
    if agent_id is not None:
        changes: Counter[UUID] = tx.info.setdefault("agent_load", Counter())
        changes[agent_id] += by
        before_commit(tx, _write_load)


async def _write_load(tx: AsyncSession) -> None:
    changes = {agent_id: by for agent_id, by in tx.info.pop("agent_load").items() if by}
    if len(changes) > 1:
        await take_turn(tx)
    if changes:
        await driver(tx).execute(CHANGE, list(changes), list(changes.values()))
