"""Parked events: those that could not be handled, with whatever follows for their key, in the order of the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import orjson

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.ids import plain
from shared.outbox import wire
from shared.outbox.faults import sentence

WINDOW = 1_000
"""How far back, in offsets of a partition, failures are counted."""

MOST_FAILING_KEYS = 10
"""More failing keys than this within the window (over 1 %) are the code's fault, not the events'."""

_KEYS = """
SELECT key, bool_or(state = 'parked') AS blocked,
    max("offset") FILTER (WHERE "offset" > $4 AND error IS NOT NULL AND NOT unknown AND state <> 'discarded') AS failed
FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3
    AND ("offset" > $4 OR (key = ANY($5::uuid[]) AND state = 'parked'))
GROUP BY key
"""
_PARK = """
INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, body, error, unknown, behind,
    next_attempt_at, parked_at)
SELECT $1, $2, $3, new.*, new.error IS NULL, $12, $13 FROM unnest(
    $4::bigint[], $5::bigint[], $6::uuid[], $7::text[], $8::jsonb[], $9::bytea[], $10::text[], $11::boolean[]
) AS new ("offset", position, key, type, headers, body, error, unknown)
ON CONFLICT DO NOTHING
"""

IS_FIRST = """"offset" = (
    SELECT first."offset" FROM parked AS first
    WHERE (first.consumer, first.topic, first.partition, first.key)
        = (parked.consumer, parked.topic, parked.partition, parked.key) AND first.state = 'parked'
    ORDER BY first.consumer, first.topic, first.partition, first.key, first."offset" LIMIT 1
)"""
"""Whether a row of `parked` is the one that its key waits for; a look into the index, however many there are."""

_LET_GO = """
UPDATE parked SET behind = false
FROM unnest($4::uuid[]) AS waiting (key) CROSS JOIN LATERAL (
    SELECT "offset" FROM parked AS first
    WHERE first.consumer = $1 AND first.topic = $2 AND first.partition = $3 AND first.key = waiting.key
        AND first.state = 'parked'
    ORDER BY first.consumer, first.topic, first.partition, first.key, first."offset" LIMIT 1 FOR UPDATE
) AS first
WHERE (parked.consumer, parked.topic, parked.partition, parked."offset") = ($1, $2, $3, first."offset") AND behind
"""
_CORRECT = """
WITH known AS (
    SELECT topic, partition, "offset", behind,
        lag(true, 1, false) OVER (PARTITION BY topic, partition, key ORDER BY "offset") AS follows
    FROM parked WHERE consumer = $1 AND state = 'parked'
), wrong AS MATERIALIZED (
    SELECT topic, partition, "offset", follows FROM known WHERE behind <> follows LIMIT $2
)
UPDATE parked SET behind = wrong.follows FROM wrong
WHERE parked.consumer = $1 AND parked.topic = wrong.topic AND parked.partition = wrong.partition
    AND parked."offset" = wrong."offset" AND state = 'parked' AND behind <> wrong.follows
"""
"""Goes through all that is parked once, by the index that holds its order."""


def relearner(service: str) -> str:
    """Return the name under which is parked what a service could not take over again from its own log."""
    return f"{service}.relearning"


def names(consumer: str) -> list[str]:
    """Return the names under which a service's events are parked."""
    return [consumer, relearner(consumer)]


class CodeAtFault(Exception):
    """So many keys fail that the handlers are wrong, or something they need is missing: the partition stops."""


@dataclass(slots=True)
class Parking:
    """What a batch leaves behind: `keys` that are blocked, and the records to park, with the errors of those at fault.

    `failing` are the keys that failed of themselves within the window, in this batch and before. `unknown` are the
    offsets of records that newer code wrote than reads them: nobody's fault, so they count as no failure.
    """

    keys: set[UUID] = field(default_factory=set)
    failing: dict[UUID, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    unknown: set[int] = field(default_factory=set)

    def leave_out(self, records: Sequence[Record]) -> list[Record]:
        """Return what may be handled; unknown types are parked, and behind each what follows for its key."""
        free: list[Record] = []
        for record in records:
            if record.key in self.keys:
                self.records.append(record)
            elif not wire.is_known(wire.type_of(record)):
                self.wait(record, wire.NotKnownYet(wire.type_of(record)))
            else:
                free.append(record)
        return free

    def wait(self, record: Record, why: wire.NotKnownYet) -> None:
        """Park a record until code knows it."""
        self.keys.add(record.key)
        self.records.append(record)
        self.errors[record.offset] = str(why)
        self.unknown.add(record.offset)

    def fail(self, record: Record, error: Exception | str) -> None:
        """Park a record that failed. Raises `CodeAtFault` when too many keys have."""
        text = error if isinstance(error, str) else sentence(error, personal=wire.is_card(record))
        self.keys.add(record.key)
        self.records.append(record)
        self.errors[record.offset] = text
        self.failing[record.key] = record.offset
        recent = sum(offset > record.offset - WINDOW for offset in self.failing.values())
        if recent > MOST_FAILING_KEYS:
            raise CodeAtFault(f"{recent} keys fail within {WINDOW} events; the last: {text}")


async def open_parking(
    connection: asyncpg.Connection, consumer: str, partition: TopicPartition, records: Sequence[Record]
) -> Parking:
    """Read which keys of a batch are parked, and which keys failed shortly before it; however many are parked."""
    keys = list({record.key for record in records})
    rows = await connection.fetch(_KEYS, consumer, *partition, records[0].offset - WINDOW, keys)
    blocked = {plain(row["key"]) for row in rows if row["blocked"]}
    return Parking(blocked, {plain(row["key"]): row["failed"] for row in rows if row["failed"] is not None})


async def park(connection: asyncpg.Connection, consumer: str, partition: TopicPartition, parking: Parking) -> None:
    """Write what is to be parked, within the transaction of the batch."""
    records = sorted(parking.records, key=lambda record: record.offset)
    if not records:
        return
    now = utcnow()
    await connection.execute(
        _PARK,
        consumer,
        *partition,
        [record.offset for record in records],
        [wire.position_of(record) for record in records],
        [record.key for record in records],
        [wire.type_of(record) for record in records],
        [orjson.dumps(record.headers).decode() for record in records],
        [record.body for record in records],
        [parking.errors.get(record.offset) for record in records],
        [record.offset in parking.unknown for record in records],
        now,
        now,
    )


async def let_go(
    connection: asyncpg.Connection, consumer: str, partition: TopicPartition, keys: Collection[UUID]
) -> None:
    """Make the first event that is parked of each key the one that is tried next, once what was before it is gone."""
    await connection.execute(_LET_GO, consumer, *partition, sorted(keys))


async def wait_behind(
    connection: asyncpg.Connection, consumer: str, partition: TopicPartition, parking: Parking
) -> None:
    """Hold what was parked behind to what it waits for, as the last step of the transaction of the batch.

    Whoever takes that away, without the row of the partition, either has done so by now, and then nothing waits; or
    comes after this transaction, and finds all that waits. Last, since what takes parked events away holds other locks.
    """
    behind = {record.key for record in parking.records if record.offset not in parking.errors}
    if behind:
        await let_go(connection, consumer, partition, behind)


async def put_in_order(connection: asyncpg.Connection, consumer: str, *, most: int) -> int:
    """Correct which events wait behind others, as older code does not note it; return how many were wrong."""
    return int((await connection.execute(_CORRECT, consumer, most)).split()[-1])


def parked_record(row: asyncpg.Record) -> Record:
    """Return a parked row as the record that it was."""
    return Record(row["topic"], row["partition"], plain(row["key"]), row["headers"], row["body"], row["offset"])
