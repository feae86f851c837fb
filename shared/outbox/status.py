"""How the machinery is: what waits in the outbox, how far the consumer is behind, which partitions stand still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from shared.bus import BusUnavailable, EventBus, TopicPartition
from shared.clock import utcnow
from shared.db import Database
from shared.outbox.consumer import Consumer
from shared.outbox.faults import sentence
from shared.outbox.parking import names
from shared.service import Runtime

OLDEST_WAITING_S = 60.0
UNMOVED_S = 120.0
COUNTED = 10_000

_WAITING = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS counted) AS waiting,
    (SELECT recorded_at FROM outbox ORDER BY seq LIMIT 1) AS oldest,
    (SELECT stopped FROM relay_lease WHERE service = $2) AS stopped,
    (SELECT count(*) FROM (
        SELECT FROM lost_events WHERE restated_at IS NULL AND remade_at IS NULL LIMIT $1
    ) AS counted) AS lost
"""
_INBOX = "SELECT topic, partition, next_offset, stopped, moved_at FROM inbox WHERE consumer = $1"
_PARKED = """
SELECT called.state, sum(counted.count)::bigint AS count
FROM unnest($1::text[]) AS mine (consumer)
CROSS JOIN (
    VALUES ('parked', 'parked', false), ('unknown', 'parked', true), ('dead', 'dead', false),
        ('discarded', 'discarded', false), ('discarded', 'discarded', true)
) AS called (state, kept_as, unknown)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM parked
        WHERE parked.consumer = mine.consumer AND parked.state = called.kept_as AND parked.unknown = called.unknown
        ORDER BY type, next_attempt_at LIMIT $2
    ) AS few
) AS counted
GROUP BY called.state HAVING sum(counted.count) > 0
"""
_UNKNOWN = """
WITH RECURSIVE waiting (consumer, type) AS (
    SELECT consumer, '' FROM unnest($1::text[]) AS mine (consumer)
    UNION ALL
    SELECT waiting.consumer, (
        SELECT parked.type FROM parked
        WHERE parked.consumer = waiting.consumer AND state = 'parked' AND unknown AND parked.type > waiting.type
        ORDER BY parked.type LIMIT 1
    )
    FROM waiting WHERE type IS NOT NULL
)
SELECT type, sum((
    SELECT count(*) FROM (
        SELECT FROM parked
        WHERE parked.consumer = waiting.consumer AND state = 'parked' AND unknown AND parked.type = waiting.type
        ORDER BY next_attempt_at LIMIT $2
    ) AS few
))::bigint AS count
FROM waiting WHERE type > '' GROUP BY type ORDER BY type
"""

OK = "ok"


@dataclass(frozen=True, slots=True)
class RelayLag:
    """Events that wait to be sent (counted up to 10,000), for how long the oldest has, and why the relay stands still.

    `lost` are events on the log that the database, restored from an older copy, does not know (up to 10,000, too).
    """

    waiting: int
    oldest_s: float
    stopped: str | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How many offsets of a partition are unread, for how long nothing moved, and why it stands still if it does."""

    next_offset: int
    behind: int
    unmoved_s: float
    stopped: str | None = None


async def relay_lag(db: Database, service: str) -> RelayLag:
    """Return what waits in the outbox, and what a restore has left behind."""
    async with db.connection() as connection:
        [row] = await connection.fetch(_WAITING, COUNTED, service)
    oldest_s = max((utcnow() - row["oldest"]).total_seconds(), 0.0) if row["oldest"] else 0.0
    return RelayLag(row["waiting"], oldest_s, row["stopped"], row["lost"])


async def consumer_lag(db: Database, bus: EventBus, consumer: Consumer) -> dict[TopicPartition, PartitionLag]:
    """Return how far behind the log each partition is that the consumer has begun to read."""
    async with db.connection() as connection:
        rows = await connection.fetch(_INBOX, consumer.service)
    bounds = await bus.bounds(consumer.topics) if rows else {}
    now = utcnow()
    lags = {}
    for topic, number, next_offset, stopped, moved_at in rows:
        partition = TopicPartition(topic, number)
        end = bounds.get(partition, (0, next_offset))[1]
        unmoved_s = max((now - moved_at).total_seconds(), 0.0)
        lags[partition] = PartitionLag(next_offset, max(end - next_offset, 0), unmoved_s, stopped)
    return lags


async def parked_counts(db: Database, consumer: str) -> dict[str, int]:
    """Return how many events are parked, unknown (parked until code knows them), dead and discarded, up to 10,000 each.

    What could not be taken over again from the service's own log counts as well.
    """
    async with db.connection() as connection:
        return {row["state"]: row["count"] for row in await connection.fetch(_PARKED, names(consumer), COUNTED)}


async def waiting_for_code(db: Database, consumer: str) -> str | None:
    """Say which types wait for code that knows them; None where none does.

    That is no reason to be taken out of service: everything else is handled, and what is needed is a newer release.
    """
    async with db.connection() as connection:
        rows = await connection.fetch(_UNKNOWN, names(consumer), COUNTED)
    if not rows:
        return None
    said = ", ".join(f"{_counted(row['count'])} of {row['type']}" for row in rows)
    return f"Events wait for code that knows them: {said}."


async def lost_in_a_restore(db: Database, service: str) -> str | None:
    """Say how many published events the database, restored from an older copy, does not know; None where it knows all.

    That is no reason to be taken out of service either: what is published now is right, and an operator mends the rest.
    """
    lost = (await relay_lag(db, service)).lost
    if not lost:
        return None
    return (
        f"{_counted(lost)} published events are not known to the database, which was restored from an older copy: "
        f"`peyvand restate {service}` publishes what it holds now."
    )


async def machinery_status(runtime: Runtime) -> dict[str, str]:
    """Return `ok` or a sentence of what is wrong, for the broker, the relay and the consumer."""
    status = {"broker": OK, "relay": OK, "consumer": OK}
    try:
        await runtime.bus.ping()
    except BusUnavailable as error:
        status["broker"] = error.detail
    try:
        status["relay"] = _relay_sentence(await relay_lag(runtime.db, runtime.service.name))
        if status["broker"] == OK:
            lags = await consumer_lag(runtime.db, runtime.bus, runtime.service.consumer)
            status["consumer"] = _stopped_sentence(lags) or await _stuck_sentence(runtime.bus, lags)
    except BusUnavailable as error:
        status["broker"] = error.detail
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        status["relay"] = status["consumer"] = f"The database does not answer: {sentence(error)}"
    return status


def _relay_sentence(lag: RelayLag) -> str:
    if lag.stopped is not None:
        return lag.stopped
    if lag.oldest_s <= OLDEST_WAITING_S:
        return OK
    return f"{_counted(lag.waiting)} events wait to be sent, the oldest for {lag.oldest_s:.0f} s."


def _counted(number: int) -> str:
    return f"{number} or more" if number >= COUNTED else str(number)


def _stopped_sentence(lags: Mapping[TopicPartition, PartitionLag]) -> str:
    return " ".join(f"{each} stands still: {lag.stopped}" for each, lag in sorted(lags.items()) if lag.stopped)


async def _stuck_sentence(bus: EventBus, lags: Mapping[TopicPartition, PartitionLag]) -> str:
    """Say which partitions hold an event that has been unread for long; one that was merely quiet is not stuck."""
    stuck = []
    for partition, lag in sorted(lags.items()):
        if lag.behind and lag.unmoved_s > UNMOVED_S:
            first = await bus.read(partition, lag.next_offset, most=1)
            if first and first[0].sent_at and utcnow().timestamp() - first[0].sent_at > UNMOVED_S:
                stuck.append(partition)
    if not stuck:
        return OK
    unread = sum(lags[each].behind for each in stuck)
    return f"{unread} events are unread, and nothing moves in {', '.join(map(str, stuck))}."
