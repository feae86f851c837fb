"""The drain: tries parked keys again, in order, with back-off; what fails too often is dead, and its key goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.db import driver, part_of
from shared.outbox import wire
from shared.outbox.faults import is_events_fault, sentence
from shared.outbox.handling import apply_batch
from shared.outbox.parking import IS_FIRST, let_go, names, parked_record, put_in_order, relearner
from shared.outbox.relearning import relearn_one
from shared.service import Runtime

TRIES = 5
BACKOFF_S = (2, 10, 60, 300, 900)
DEADLY = "It ended the process, or hung it, in every try."
ASK_AGAIN = timedelta(seconds=60)
"""How long an event waits that holds a code that is not known yet: only reading it can tell whether it is by now."""

NEVER = -(2**63)
"""Before any offset, also of what is parked below 0 as the log was replaced: nothing of it was handled before."""

AT_ONCE = 200
"""Keys in a turn, and events of a key in a transaction."""

ORDERED = 50_000
"""Rows that are corrected in a turn."""

_DUE = f"""
(
    SELECT topic, partition, key, "offset" FROM parked
    WHERE consumer = $1 AND state = 'parked' AND NOT behind AND NOT unknown AND next_attempt_at <= $2 AND {IS_FIRST}
    ORDER BY next_attempt_at LIMIT $3
)
UNION ALL
(
    SELECT due.* FROM unnest($4::text[]) AS known (type) CROSS JOIN LATERAL (
        SELECT topic, partition, key, "offset" FROM parked
        WHERE consumer = $1 AND state = 'parked' AND unknown AND type = known.type AND next_attempt_at <= $2
            AND {IS_FIRST}
        ORDER BY next_attempt_at LIMIT $3
    ) AS due LIMIT $3
)
"""
_ATTEMPT = """
UPDATE parked
SET attempts = attempts + 1,
    next_attempt_at = $5 + ($6::float8[])[least(attempts + 1, cardinality($6::float8[]))] * interval '1 second'
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND state = 'parked' AND next_attempt_at <= $5
RETURNING attempts
"""
_UNCOUNT = """
UPDATE parked SET attempts = greatest(attempts - 1, 0)
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
"""
_LOCK = "SELECT restored_until FROM inbox WHERE consumer = $1 AND topic = $2 AND partition = $3 FOR UPDATE"
_QUEUE = """
SELECT * FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3 AND key = $4 AND state = 'parked'
ORDER BY "offset" LIMIT $5
"""
_DONE = 'DELETE FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = ANY($4::bigint[])'
_FAILED = """
UPDATE parked SET error = $5, state = $6, attempts = greatest(attempts, 1), next_attempt_at = $7, unknown = false
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
"""
_WAIT = """
UPDATE parked SET error = $5, attempts = 0, next_attempt_at = $6, unknown = true
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
"""

log = structlog.get_logger(__name__)

Handle = Callable[..., Awaitable[None]]
"""Handles one record again: `(tx, runtime, record, restored=…)`."""


async def drain(runtime: Runtime, *, backoff_s: Sequence[float] = BACKOFF_S) -> int:
    """Try every parked key that is due once; return how many events were handled or given up."""
    name = runtime.service.consumer.service
    drains = [_Drain(runtime, name, _handle, backoff_s), _Drain(runtime, relearner(name), _relearn, backoff_s)]
    return sum([await each.turn() for each in drains])


async def order_parked(runtime: Runtime) -> int:
    """Correct a batch of what is noted to wait behind other events, or not to; return how many rows were wrong."""
    async with runtime.db.connection() as connection:
        found = names(runtime.service.consumer.service)
        return sum([await put_in_order(connection, each, most=ORDERED) for each in found])


async def _handle(tx: AsyncSession, runtime: Runtime, record: Record, *, restored: bool) -> None:
    await apply_batch(tx, runtime, [record], restored=restored)


async def _relearn(tx: AsyncSession, runtime: Runtime, record: Record, **_options: bool) -> None:
    await relearn_one(tx, runtime, record)


@dataclass(frozen=True, slots=True)
class _Drain:
    """What is parked under a name, and how one of it is handled."""

    runtime: Runtime
    name: str
    handle: Handle
    backoff_s: Sequence[float]

    async def turn(self) -> int:
        async with self.runtime.db.connection() as connection:
            due = await connection.fetch(_DUE, self.name, utcnow(), AT_ONCE, wire.known_types())
        return sum([await self._key(TopicPartition(row[0], row[1]), row["key"], row["offset"]) for row in due])

    async def _key(self, partition: TopicPartition, key: UUID, offset: int) -> int:
        """Count the attempt beforehand, as the event may end the process; then handle the key's events in order."""
        place, now = (self.name, *partition, offset), utcnow()
        async with self.runtime.db.connection() as plain:
            attempts = await plain.fetchval(_ATTEMPT, *place, now, list(self.backoff_s))
            if attempts is not None and attempts > TRIES:
                await plain.execute(_FAILED, *place, DEADLY, "dead", now)
                await let_go(plain, self.name, partition, [key])
                log.warning("event_dead", place=place, attempts=TRIES)
                return 1
        if attempts is None:
            return 0
        try:
            async with self.runtime.db.transaction() as tx:
                return await self._queue(tx, partition, key)
        except Exception:
            async with self.runtime.db.connection() as plain:
                await plain.execute(_UNCOUNT, *place)
            raise

    async def _queue(self, tx: AsyncSession, partition: TopicPartition, key: UUID) -> int:
        """Handle a key's events in order, each in its savepoint, until one fails; the partition rests meanwhile."""
        raw, done, failed = driver(tx), list[int](), 0
        restored_until = await raw.fetchval(_LOCK, self.name, *partition) or NEVER
        for row in await raw.fetch(_QUEUE, self.name, *partition, key, AT_ONCE):
            record = parked_record(row)
            try:
                wire.refuse_unknown(record)
                async with part_of(tx) as part:
                    await self.handle(part, self.runtime, record, restored=record.offset < restored_until)
            except wire.NotKnownYet as unknown:
                await raw.execute(_WAIT, self.name, *partition, record.offset, str(unknown), utcnow() + ASK_AGAIN)
                break
            except Exception as error:
                if not is_events_fault(error):
                    raise
                failed = await self._fail(raw, row, error)
                break
            done.append(row["offset"])
        await raw.execute(_DONE, self.name, *partition, done)
        await let_go(raw, self.name, partition, [key])
        return len(done) + failed

    async def _fail(self, raw: asyncpg.Connection, row: asyncpg.Record, error: Exception) -> int:
        """Put the event off, or declare it dead after its last try; return 1 if it no longer blocks its key."""
        record = parked_record(row)
        attempts = max(row["attempts"], 1)
        dead = attempts >= TRIES
        text = sentence(error, personal=wire.is_card(record))
        place = (self.name, record.topic, record.partition, record.offset)
        due = utcnow() + timedelta(seconds=self.backoff_s[min(attempts, len(self.backoff_s)) - 1])
        await raw.execute(_FAILED, *place, text, "dead" if dead else "parked", due)
        log.warning("event_dead" if dead else "event_parked_still", place=place, type=row["type"], attempts=attempts)
        return int(dead)
