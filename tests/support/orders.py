"""The same events as different histories of a log: between keys in any order, in any batches, with late doubles."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from shared.bus import Record, TopicPartition
from shared.bus.local import LocalBus
from shared.bus.partitions import partition_of
from shared.clock import utcnow
from shared.contracts import Event
from shared.outbox import wire
from shared.outbox.batches import apply_partition
from shared.outbox.inbox import Inbox
from shared.outbox.writing import encode
from shared.service import Runtime
from tests.support.events import event_id

PARTITIONS = 3


def in_some_order(events: Sequence[Event], chance: random.Random, *, doubles: int = 0) -> list[Record]:
    """Return `events` as records, shuffled between keys and in order within each, some of them once more later."""
    by_key: defaultdict[object, list[tuple[int, Event]]] = defaultdict(list)
    for version, event in enumerate(events, start=1):
        by_key[event.topic, event.key].append((version, event))
    turns = [key for key, told in by_key.items() for _ in told]
    chance.shuffle(turns)
    records = _numbered([by_key[key].pop(0) for key in turns])
    for _ in range(doubles):
        first = chance.randrange(len(records))
        records.insert(chance.randrange(first, len(records)) + 1, records[first])
    return records


async def begin_anew(runtime: Runtime, records: Sequence[Record]) -> None:
    """Empty what the service holds, and let the log hold just `records`."""
    bus = runtime.bus
    assert isinstance(bus, LocalBus)
    async with bus.transaction() as connection:
        await connection.execute("TRUNCATE log, commits")
        await connection.execute("UPDATE heads SET next_offset = 0")
    tables = ", ".join(
        f'{table.schema or "public"}."{table.name}"'
        for table in runtime.service.metadata.sorted_tables
        if table.name not in _KEPT
    )
    async with runtime.db.connection() as connection:
        await connection.execute(f"TRUNCATE {tables}")
    await bus.send(records)


async def hear_in_batches(runtime: Runtime, chance: random.Random, *, most: int = 7) -> None:
    """Handle the log in batches of any size, partition by partition in any order."""
    bounds = await runtime.bus.bounds(runtime.service.consumer.topics)
    at = dict(await Inbox(runtime).start(list(bounds)))
    waiting = {each: list(await runtime.bus.read(each, 0, most=10_000)) for each in bounds}
    while any(waiting.values()):
        place = chance.choice([each for each, records in waiting.items() if records])
        batch = waiting[place][: chance.randint(1, most)]
        handled = await apply_partition(runtime, place, batch, expected=at[place])
        at[place] += handled
        del waiting[place][:handled]


_KEPT = frozenset({"templates", "automations", "provider_accounts", "fatigue"})
"""Tables of what a service is set up with."""


def _numbered(told: Sequence[tuple[int, Event]]) -> list[Record]:
    positions: Counter[TopicPartition] = Counter()
    records = []
    for version, event in told:
        place = TopicPartition(event.topic, partition_of(event.key, PARTITIONS))
        positions[place] += 1
        records.append(_record(event, version, place, positions[place]))
    return records


def _record(event: Event, version: int, place: TopicPartition, position: int) -> Record:
    now = utcnow()
    row = {
        "id": event_id(event), "topic": event.topic, "type": event.type, "key": event.key, "subject": event.subject,
        "occurred_at": event.occurred_at, "recorded_at": now, "seq": version, "correlation_id": None,
        "causation_id": None, "traceparent": None,
    }  # fmt: skip
    return wire.record_of(row, source="/test", partition=place.partition, position=position, body=encode(event))
