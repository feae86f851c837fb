"""Made-up purchases as events, and the raw Kafka clients that the event machinery is compared with."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared import outbox
from shared.bus import Record
from shared.contracts.customers import PurchaseLine, PurchaseRecorded
from shared.ids import new_id
from shared.outbox.topics import make_topics
from shared.service import Runtime

SINCE = datetime(2025, 1, 1, 8, tzinfo=UTC)


def purchases(count: int, people: Sequence[UUID]) -> list[PurchaseRecorded]:
    """Return purchases of `people` over a year, each of one line."""
    chance = random.Random(1)
    return [
        PurchaseRecorded(
            purchase_id=new_id(),
            person_id=chance.choice(people),
            amount_minor=amount,
            lines=(PurchaseLine(product=f"product-{amount % 50}", category="food", amount_minor=amount),),
            channel=chance.choice(("web", "shop", "phone")),
            occurred_at=SINCE + timedelta(minutes=chance.randrange(525_600)),
        )
        for amount in range(1_000, 1_000 + count)
    ]


async def fill_outbox(runtime: Runtime, events: Sequence[PurchaseRecorded]) -> None:
    """Write `events` to the outbox, as ten thousand a request would."""
    for start in range(0, len(events), 10_000):
        async with runtime.db.transaction() as tx:
            outbox.add(tx, *events[start : start + 10_000])


async def make_all_topics(runtime: Runtime) -> None:
    await make_topics(runtime.bus, partitions=runtime.settings.partitions)


@asynccontextmanager
async def raw_producer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Lend a producer as its library makes it, but for the acknowledgement that ours waits for, too."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send_raw(producer: AIOKafkaProducer, topic: str, records: Sequence[Record]) -> float:
    """Send records one `send()` after the other, wait until all are acknowledged, and return records a second."""
    wire = [
        (
            record.partition,
            str(record.key).encode(),
            record.body,
            [(name, text.encode()) for name, text in record.headers.items()],
        )
        for record in records
    ]
    began = time.perf_counter()
    sent = [
        await producer.send(topic, body, key=key, partition=partition, headers=headers)
        for partition, key, body, headers in wire
    ]
    for each in sent:
        await each
    return len(records) / (time.perf_counter() - began)


async def read_raw(bootstrap_servers: str, topic: str, partitions: int, count: int) -> float:
    """Read the first `count` records of a topic by `getmany` alone; return records a second."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        began = time.perf_counter()
        await consumer.seek_to_beginning(*assigned)
        seen = 0
        while seen < count:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=5_000)
            seen += sum(len(records) for records in fetched.values())
        return seen / (time.perf_counter() - began)
    finally:
        await consumer.stop()
