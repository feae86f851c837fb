"""Batches of several partitions in one transaction: what nothing stands in the way of is stored so, as it costs less.

A partition that had a failure, or that has to be looked at closely, is left to `batches`, by itself. So is every
partition of a transaction that an event fails: there the one at fault is found and parked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.db import driver
from shared.outbox import wire
from shared.outbox.batches import cards_anew, fresh
from shared.outbox.consumer import Consumer
from shared.outbox.faults import is_events_fault
from shared.outbox.handling import apply_batch, wanted
from shared.outbox.parking import Parking, open_parking, park, wait_behind
from shared.service import Runtime

SHORT = 200
"""Records of a transaction where handlers go event by event: it holds what they lock until all are handled."""

LONG = 300
"""From so many records on two transactions share them, each at work while the other waits for the database."""

_ATTEMPT = """
WITH mine AS (
    SELECT topic, partition
    FROM inbox JOIN unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
        AS read (topic, partition, expected, first) USING (topic, partition)
    WHERE consumer = $1 AND attempts = 0 AND next_offset = expected
        AND careful_until <= first AND restored_until <= first
    ORDER BY topic, partition FOR UPDATE OF inbox
)
UPDATE inbox SET attempts = 1 FROM mine, (SELECT set_config('synchronous_commit', 'off', true)) AS fast
WHERE consumer = $1 AND inbox.topic = mine.topic AND inbox.partition = mine.partition
RETURNING inbox.topic, inbox.partition
"""
_LOCK = """
SELECT topic, partition, next_offset, position, EXISTS (
    SELECT FROM parked
    WHERE (parked.consumer, parked.topic, parked.partition) = (inbox.consumer, inbox.topic, inbox.partition)
) AS any_parked
FROM inbox WHERE consumer = $1 AND (topic, partition) IN (SELECT * FROM unnest($2::text[], $3::integer[]))
ORDER BY topic, partition FOR UPDATE
"""
_MOVE = """
UPDATE inbox SET next_offset = moved.next_offset, position = moved.position, attempts = 0, stopped = NULL, moved_at = $6
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[]) AS moved (topic, partition, next_offset, position)
WHERE consumer = $1 AND inbox.topic = moved.topic AND inbox.partition = moved.partition
"""

Fetched = Mapping[TopicPartition, Sequence[Record]]


class NotTogether(Exception):
    """Something about a partition is to be looked at by itself."""


async def apply_together(
    runtime: Runtime, fetched: Fetched, next_offsets: MutableMapping[TopicPartition, int]
) -> tuple[set[TopicPartition], set[TopicPartition]]:
    """Handle all records of the partitions that nothing stands in the way of.

    Return those partitions, and those that were tried and are left: that attempt ended in an error, and not in death.

    `next_offsets` say what this worker believes to be next, and are moved on with what is stored, also where a fault of
    the database is raised for other partitions. An attempt is counted beforehand, as for a partition by itself: what
    a process died of is not tried together again.
    """
    consumer = runtime.service.consumer
    if not fetched or not _may_go_together(consumer, fetched):
        return set(), set()
    clean = await _attempt(runtime, fetched, next_offsets)
    groups = _shared_out({each: fetched[each] for each in clean}, 2 if consumer.takes_batches else 1)
    ended = await asyncio.gather(*(_stored(runtime, group, next_offsets) for group in groups), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    stored = {partition for each in ended if not isinstance(each, BaseException) for partition in each}
    return stored, set(clean) - stored


def _may_go_together(consumer: Consumer, fetched: Fetched) -> bool:
    return consumer.takes_batches or sum(map(len, fetched.values())) <= SHORT


async def _attempt(
    runtime: Runtime, fetched: Fetched, next_offsets: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    """Count an attempt at each partition that stands where we believe and never failed here; return those."""
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(
            _ATTEMPT,
            runtime.service.consumer.service,
            [each.topic for each in fetched],
            [each.partition for each in fetched],
            [next_offsets[each] for each in fetched],
            [records[0].offset for records in fetched.values()],
        )
    return [TopicPartition(*row) for row in rows]


def _shared_out(fetched: Fetched, most: int) -> list[Fetched]:
    """Share partitions out by their number: one person's facts, whatever their topics, are in one transaction."""
    weights: Counter[int] = Counter()
    for partition, records in fetched.items():
        weights[partition.partition] += len(records)
    groups: list[dict[TopicPartition, Sequence[Record]]] = [{} for _ in range(most if weights.total() >= LONG else 1)]
    held: Counter[int] = Counter()
    for number, weight in weights.most_common():
        lightest = min(range(len(groups)), key=held.__getitem__)
        held[lightest] += weight
        groups[lightest].update({each: records for each, records in fetched.items() if each.partition == number})
    return [group for group in groups if group]


async def _stored(
    runtime: Runtime, group: Fetched, next_offsets: MutableMapping[TopicPartition, int]
) -> Sequence[TopicPartition]:
    """Store a group in one transaction; return its partitions, or none where one of them is to be looked at alone."""
    try:
        async with runtime.db.transaction() as tx:
            await _store(tx, runtime, group, next_offsets)
    except NotTogether:
        return []
    except Exception as error:
        if not is_events_fault(error):
            raise
        return []
    next_offsets.update({each: records[-1].offset + 1 for each, records in group.items()})
    return list(group)


async def _store(tx: AsyncSession, runtime: Runtime, group: Fetched, expected: Mapping[TopicPartition, int]) -> None:
    """Park and handle what a group's partitions bring, and move their rows.

    What stays behind is parked first: what is handled may erase people, and is to reach their cards among it.
    """
    raw, consumer = driver(tx), runtime.service.consumer
    rows = await raw.fetch(_LOCK, consumer.service, [each.topic for each in group], [each.partition for each in group])
    parts = {}
    for row in rows:
        place = TopicPartition(row["topic"], row["partition"])
        parts[place] = await _part_of(raw, consumer, row, group[place], expected[place])
    for place, part in parts.items():
        await park(raw, consumer.service, place, part.parking)
    await apply_batch(tx, runtime, [record for part in parts.values() for record in part.free])
    for place, part in parts.items():
        await wait_behind(raw, consumer.service, place, part.parking)
    await raw.execute(
        _MOVE,
        consumer.service,
        [place.topic for place in parts],
        [place.partition for place in parts],
        [group[place][-1].offset + 1 for place in parts],
        [part.position for part in parts.values()],
        utcnow(),
    )


@dataclass(slots=True)
class _Part:
    """What of a partition is free to be handled, what stays behind, and the position after it."""

    free: list[Record]
    parking: Parking
    position: int


async def _part_of(
    raw: asyncpg.Connection, consumer: Consumer, row: asyncpg.Record, records: Sequence[Record], expected: int
) -> _Part:
    """Compare a locked row with what was read. Whoever adds to what is parked moves the row, so `any_parked` holds."""
    place = TopicPartition(row["topic"], row["partition"])
    new = fresh(records, row["position"])
    if row["next_offset"] != expected or new.gap is not None:
        raise NotTogether
    if consumer.hears_cards(place.topic) and cards_anew(records, row["position"]):
        raise NotTogether
    parking = await open_parking(raw, consumer.service, place, records) if row["any_parked"] else Parking()
    mine = wanted(consumer, new.records)
    if parking.keys or not all(map(wire.is_known, set(map(wire.type_of, mine)))):
        mine = parking.leave_out(mine)
    return _Part(mine, parking, new.position)
