"""The relay, from rows read to rows removed, against `send()` of the same records by the bare client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from services.customers.app import SERVICE
from shared.bus import Record
from shared.contracts.customers import PurchaseRecorded
from shared.ids import new_id
from shared.outbox.relay import Relay
from shared.service import Runtime
from tests.benchmarks import events
from tests.benchmarks.harness import Bench, Row, at_least, interleaved
from tests.support.runtimes import open_test_runtime

EVENTS = 30_000
PEOPLE = 5_000
RAW_TOPIC = "raw"
PREFIX = "relay-"


@dataclass(slots=True)
class Relaying:
    """An outbox that is filled anew for every round, and the records that came of it, for the bare client to send."""

    runtime: Runtime
    producer: AIOKafkaProducer
    written: Sequence[PurchaseRecorded]
    relaying: Relay
    records: list[Record] = field(default_factory=list)

    async def relay(self) -> float:
        """Relay a full outbox until it is empty; return events a second."""
        await events.fill_outbox(self.runtime, self.written)
        began = time.perf_counter()
        while await self.relaying.turn():
            pass
        return len(self.written) / (time.perf_counter() - began)

    async def send(self) -> float:
        """Send the same records by `send()`; return events a second."""
        return await events.send_raw(self.producer, PREFIX + RAW_TOPIC, self.records)

    async def keep_records(self) -> None:
        """Relay once, and keep the records that are sent."""
        await events.fill_outbox(self.runtime, self.written)
        while batch := await self.relaying.take(settling=self.relaying._sent):
            await self.relaying.send(batch)
            self.records.extend(batch.records)
            self.relaying._sent = batch
        self.relaying._sent = None


async def measure(bench: Bench) -> list[Row]:
    kafka = bench.kafka()
    people = [new_id() for _ in range(PEOPLE)]
    written = events.purchases(EVENTS // 10 if bench.quick else EVENTS, people)
    async with (
        open_test_runtime(bench.server, SERVICE, kafka_bootstrap_servers=kafka, kafka_prefix=PREFIX) as runtime,
        events.raw_producer(kafka) as producer,
    ):
        await events.make_all_topics(runtime)
        await runtime.bus.create_topics({RAW_TOPIC: False}, partitions=runtime.settings.partitions)
        work = Relaying(runtime, producer, written, Relay(runtime))
        await work.keep_records()
        bench.say(f"{bench.rounds} rounds of {len(written):,} events")
        rates = await interleaved(bench.rounds, {"ours": work.relay, "theirs": work.send})
        row = Row(
            what="relay, rows read to rows removed",
            yardstick="aiokafka send() of the same records",
            goal=at_least(1.0),
            ours=rates["ours"],
            theirs=rates["theirs"],
            unit="events/s",
        )
        return [await bench.examine(row, work.relay)]
