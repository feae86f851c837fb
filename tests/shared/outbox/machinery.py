"""Running the relay and the inbox by hand, a step or a whole log at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.bus import Record, TopicPartition
from shared.outbox.inbox import Inbox
from shared.outbox.relay import Relay
from shared.outbox.status import consumer_lag
from shared.service import Runtime

WITHIN_S = 60


async def relay_all(runtime: Runtime) -> None:
    """Send everything that is in the outbox."""
    relay = Relay(runtime)
    while await relay.turn():
        pass
    await relay.release()


@asynccontextmanager
async def listening_inbox(runtime: Runtime, **options: float) -> AsyncIterator[Inbox]:
    inbox = Inbox(runtime, fetch_wait_s=0.1, retry_stopped_s=options.get("retry_stopped_s", 60.0))
    try:
        yield inbox
    finally:
        await inbox.close()


async def hear_all(runtime: Runtime) -> None:
    """Handle everything that is on the log, as far as partitions do not stand still."""
    async with listening_inbox(runtime) as inbox:
        await hear_by(inbox)


async def hear_by(inbox: Inbox) -> None:
    """Let one inbox handle everything, once it has every partition."""
    partitions = await inbox.runtime.bus.bounds(inbox.consumer.topics)
    async with asyncio.timeout(WITHIN_S):
        while inbox._next.keys() != partitions.keys():
            await inbox.turn()
        while True:
            await inbox.turn()
            if await caught_up(inbox.runtime):
                return


async def caught_up(runtime: Runtime) -> bool:
    """Tell whether every partition has been read to its end, or stands still."""
    lags = await consumer_lag(runtime.db, runtime.bus, runtime.service.consumer)
    partitions = await runtime.bus.bounds(runtime.service.consumer.topics)
    return lags.keys() == partitions.keys() and all(not lag.behind or lag.stopped for lag in lags.values())


async def log_of(runtime: Runtime, topic: str) -> list[Record]:
    """Return all records of a topic, partition by partition."""
    records: list[Record] = []
    for partition, (first, end) in sorted((await runtime.bus.bounds([topic])).items()):
        offset = first
        while offset < end and (some := await runtime.bus.read(partition, offset, most=5_000)):
            records.extend(some)
            offset = some[-1].offset + 1
    return records


def places(records: list[Record]) -> dict[TopicPartition, list[int]]:
    """Return the positions of records by partition, in the order of the log."""
    found: dict[TopicPartition, list[int]] = {}
    for record in records:
        found.setdefault(TopicPartition(record.topic, record.partition), []).append(int(record.headers["position"]))
    return found
