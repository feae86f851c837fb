"""The folder: brings the kept counts up to the facts.

Facts come with a mark (`dirty`) of whom they are about. A turn takes marks, works out what the people they mean count
for now, and adds the difference to what they counted for before. A mark that is visible brings its facts with it, and
one that comes later is taken by a later turn, so nothing is missed and nothing counted twice; one folder works at a
time. The counts are a function of the facts alone: `audit` makes them from nothing and compares, and a rebuild, which
turns the folder on its own schema, ends at the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from services.metrics.folding.days import cover_days
from services.metrics.folding.leads import fold_leads
from services.metrics.folding.people import EMPTY, take_people
from services.metrics.folding.purchases import fold_purchases
from services.metrics.folding.surveys import fold_surveys
from services.metrics.rules import Rules
from shared.db import driver
from shared.service import Runtime

MARKS_A_TURN = 5_000

COUNTED = (
    "counted_purchases", "purchase_gaps", "activity_spans", "counted_leads", "counted_invitations", "counted_answers",
)  # fmt: skip
_EVERYBODY = """
INSERT INTO dirty (person_id)
SELECT person_id FROM purchases UNION SELECT person_id FROM leads
UNION SELECT person_id FROM invitations UNION SELECT person_id FROM answers
"""
_NEEDED = """
SELECT EXISTS (SELECT FROM dirty)
    OR NOT EXISTS (SELECT FROM folded_under WHERE time_zone = $1 AND activity_days = $2)
"""
_BEGIN = """
INSERT INTO folded_under (id, time_zone, activity_days, turn) VALUES (1, $1, $2, 0) ON CONFLICT DO NOTHING
"""
_UNLESS_AUDITED = "LOCK TABLE folded_under IN ROW SHARE MODE NOWAIT"
_LOCK = "SELECT time_zone, activity_days FROM folded_under FOR UPDATE SKIP LOCKED"
_CHANGED = "UPDATE folded_under SET turn = turn + 1"


async def fold(runtime: Runtime) -> int:
    """Turn the folder's clock: fold a batch, and return how many marks it took.

    Returns 0 also where these were all the marks there were: what comes meanwhile waits for the next beat, so that an
    import is folded some hundred people at a time and not one by one.
    """
    rules = Rules.of(runtime.settings)
    try:
        async with runtime.db.transaction() as tx:
            if not await driver(tx).fetchval(_NEEDED, rules.time_zone, rules.activity_days):
                return 0
            await driver(tx).execute(_UNLESS_AUDITED)
            taken = await _turn(driver(tx), rules)
    except asyncpg.LockNotAvailableError:
        return 0
    return taken if taken == MARKS_A_TURN else 0


async def _turn(connection: asyncpg.Connection, rules: Rules) -> int:
    if not await _lock(connection, rules):
        return 0
    taken = await take_people(connection, MARKS_A_TURN)
    if taken:
        await cover_days(connection, rules)
        await fold_purchases(connection, rules.activity_days)
        await fold_leads(connection)
        await fold_surveys(connection)
        await connection.execute(_CHANGED)
    return taken


async def _lock(connection: asyncpg.Connection, rules: Rules) -> bool:
    """Become the one folder for the length of the transaction; counts made under other rules are begun anew."""
    row = await connection.fetchrow(_LOCK)
    if row is None:
        await connection.execute(_BEGIN, rules.time_zone, rules.activity_days)
        row = await connection.fetchrow(_LOCK)
    if row is not None and tuple(row) != (rules.time_zone, rules.activity_days):
        await _forget(connection)
        await connection.execute(
            "UPDATE folded_under SET time_zone = $1, activity_days = $2", rules.time_zone, rules.activity_days
        )
    return row is not None


async def _forget(connection: asyncpg.Connection) -> None:
    """Empty every count, and mark everybody."""
    for table in (*COUNTED, "kept_counts", "calendar_days", "dirty"):
        await connection.execute(f"DELETE FROM {table}")
    await connection.execute(_EVERYBODY)


Counts = dict[tuple[Any, ...], Any]


@dataclass(frozen=True, slots=True)
class Audit:
    """How many counts were compared with a full recomputation, and those that differ: key to (kept, recomputed)."""

    compared: int
    differing: Mapping[tuple[Any, ...], tuple[Any, Any]]


async def audit(runtime: Runtime) -> Audit:
    """Fold what is left, recompute everything from the facts beside it, and compare; changes nothing.

    Works on one snapshot, taken when the folder is at rest; until it is done the folder skips its turns.
    """
    async with runtime.db.connection() as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            await connection.execute("LOCK TABLE folded_under IN EXCLUSIVE MODE")
            kept, recomputed = await _both_ways(connection, Rules.of(runtime.settings))
        finally:
            await transaction.rollback()
    differing = {
        key: (kept.get(key), recomputed.get(key))
        for key in kept.keys() | recomputed.keys()
        if kept.get(key) != recomputed.get(key)
    }
    return Audit(len(kept), differing)


async def _both_ways(connection: asyncpg.Connection, rules: Rules) -> tuple[Counts, Counts]:
    await _fold_to_the_end(connection, rules)
    kept = await _counts(connection)
    await _forget(connection)
    await _fold_to_the_end(connection, rules)
    return kept, await _counts(connection)


async def _fold_to_the_end(connection: asyncpg.Connection, rules: Rules) -> None:
    """Fold everything in the present transaction; the temporary tables are emptied between turns."""
    while await _turn(connection, rules):
        await connection.execute(EMPTY)


async def _counts(connection: asyncpg.Connection) -> Counts:
    """Return everything that a reader could see, by key."""
    rows = await connection.fetch(
        "SELECT measure, scope, grid, dimension, number, key, amount FROM kept_counts WHERE amount <> 0"
    )
    counts: Counts = {tuple(row)[:-1]: row["amount"] for row in rows}
    for table in COUNTED:
        for row in await connection.fetch(f"SELECT {table}::text AS said FROM {table}"):
            counts[table, row["said"]] = 1
    return counts
