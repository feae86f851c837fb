"""The drain: tries parked keys again, in order, with back-off; what fails too often is dead, and its key goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from shared.bus import TopicPartition
from shared.clock import utcnow
from shared.db import driver, transaction_on
from shared.outbox import wire
from shared.outbox.faults import is_events_fault, sentence
from shared.outbox.handling import apply_batch
from shared.outbox.parking import parked_record
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

_DUE = """
SELECT topic, partition, key, "offset" FROM (
    SELECT DISTINCT ON (topic, partition, key) topic, partition, key, "offset", next_attempt_at, type, unknown
    FROM parked WHERE consumer = $1 AND state = 'parked' ORDER BY topic, partition, key, "offset"
) AS first WHERE next_attempt_at <= $2 AND (NOT unknown OR type = ANY($4::text[])) LIMIT $3
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


async def drain(runtime: Runtime, *, backoff_s: Sequence[float] = BACKOFF_S) -> int:
    """Try every parked key that is due once; return how many events were handled or given up."""
    async with runtime.db.connection() as connection:
        due = await connection.fetch(_DUE, runtime.service.consumer.service, utcnow(), AT_ONCE, wire.known_types())
    moved = 0
    for row in due:
        partition = TopicPartition(row["topic"], row["partition"])
        moved += await _drain_key(runtime, partition, row["key"], row["offset"], backoff_s)
    return moved


async def _drain_key(
    runtime: Runtime, partition: TopicPartition, key: UUID, offset: int, backoff_s: Sequence[float]
) -> int:
    """Count the attempt beforehand, as the event may end the process; then handle the key's events in order."""
    name, now = runtime.service.consumer.service, utcnow()
    async with runtime.db.connection() as plain:
        attempts = await plain.fetchval(_ATTEMPT, name, *partition, offset, now, list(backoff_s))
        if attempts is not None and attempts > TRIES:
            await plain.execute(_FAILED, name, *partition, offset, DEADLY, "dead", now)
            log.warning("event_dead", place=(name, *partition, offset), attempts=TRIES)
            return 1
    if attempts is None:
        return 0
    try:
        return await _handle_queue(runtime, partition, key, backoff_s)
    except Exception:
        async with runtime.db.connection() as plain:
            await plain.execute(_UNCOUNT, name, *partition, offset)
        raise


async def _handle_queue(runtime: Runtime, partition: TopicPartition, key: UUID, backoff_s: Sequence[float]) -> int:
    """Handle a key's events in order, each in its savepoint, until one fails; the partition stands still meanwhile."""
    name, wrote_events = runtime.service.consumer.service, False
    async with runtime.db.engine.connect() as connection, transaction_on(connection) as outer:
        raw = driver(outer)
        restored_until = await raw.fetchval(_LOCK, name, *partition) or NEVER
        queue = await raw.fetch(_QUEUE, name, *partition, key, AT_ONCE)
        done: list[int] = []
        failed = 0
        for row in queue:
            record = parked_record(row)
            try:
                wire.refuse_unknown(record)
                async with transaction_on(connection) as tx:
                    await apply_batch(tx, runtime, [record], restored=record.offset < restored_until)
            except wire.NotKnownYet as unknown:
                await raw.execute(_WAIT, name, *partition, record.offset, str(unknown), utcnow() + ASK_AGAIN)
                break
            except Exception as error:
                if not is_events_fault(error):
                    raise
                failed = await _fail(raw, name, row, error, backoff_s)
                break
            wrote_events |= bool(tx.info.get("wrote_events"))
            done.append(row["offset"])
        await raw.execute(_DONE, name, *partition, done)
    if wrote_events:
        runtime.db.events_written.set()
    return len(done) + failed


async def _fail(
    raw: asyncpg.Connection, name: str, row: asyncpg.Record, error: Exception, backoff_s: Sequence[float]
) -> int:
    """Put the event off, or declare it dead after its last try; return 1 if it no longer blocks its key."""
    record = parked_record(row)
    attempts = max(row["attempts"], 1)
    dead = attempts >= TRIES
    text = sentence(error, personal=wire.is_card(record))
    place = (name, record.topic, record.partition, record.offset)
    due: datetime = utcnow() + _wait(attempts - 1, backoff_s)
    await raw.execute(_FAILED, *place, text, "dead" if dead else "parked", due)
    log.warning("event_dead" if dead else "event_parked_still", place=place, type=row["type"], attempts=attempts)
    return int(dead)


def _wait(failures: int, backoff_s: Sequence[float]) -> timedelta:
    return timedelta(seconds=backoff_s[min(failures, len(backoff_s) - 1)])
