"""The metrics consumer, from the log to facts and offsets stored, against `getmany` of the same records alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from structlog.testing import capture_logs

from services.customers.app import SERVICE as CUSTOMERS
from services.metrics.app import SERVICE as METRICS
from services.metrics.folder import fold
from shared.contracts.customers import TOPIC
from shared.ids import new_id
from shared.outbox.inbox import Inbox
from shared.outbox.relay import Relay
from shared.service import Runtime
from tests.benchmarks import events
from tests.benchmarks.harness import Bench, Row, at_least, interleaved, seconds
from tests.support.runtimes import open_test_runtime

EVENTS = 60_000
PEOPLE = 10_000
PREFIX = "consumer-"


@dataclass(slots=True)
class Consuming:
    """A consumer that reads the whole log into an empty database each round."""

    runtime: Runtime
    events: int

    async def consume(self) -> float:
        """Store all facts; return events a second from the first fetch on, joining the group left out."""
        async with self.runtime.db.connection() as connection:
            await connection.execute("TRUNCATE inbox, purchases, dirty")
        inbox = Inbox(self.runtime, fetch_wait_s=0.2)
        try:
            with capture_logs():  # every partition of an emptied inbox is reported as restored
                await inbox._subscribed()
                while not inbox._next:
                    await inbox.turn()
            await self._forget_earlier_rounds(inbox)
            began = time.perf_counter()
            await self._read_all(inbox)
            return self.events / (time.perf_counter() - began)
        finally:
            await inbox.close()

    async def _forget_earlier_rounds(self, inbox: Inbox) -> None:
        """Have rows that were emptied not look like those of a restored database: Kafka knows what was committed."""
        inbox._restored_until.clear()
        async with self.runtime.db.connection() as connection:
            await connection.execute("UPDATE inbox SET restored_until = 0")

    async def _read_all(self, inbox: Inbox) -> None:
        while await self._stored() < self.events:
            await inbox.turn()

    async def _stored(self) -> int:
        async with self.runtime.db.connection() as connection:
            return int(await connection.fetchval("SELECT coalesce(sum(position), 0) FROM inbox WHERE position > 0"))

    async def fold(self) -> None:
        """Bring the kept counts up to the facts, as the clock would."""
        while await self._marked():
            await fold(self.runtime)

    async def _marked(self) -> bool:
        async with self.runtime.db.connection() as connection:
            return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM dirty)"))


async def measure(bench: Bench) -> list[Row]:
    kafka = bench.kafka()
    count = EVENTS // 10 if bench.quick else EVENTS
    options = {"kafka_bootstrap_servers": kafka, "kafka_prefix": PREFIX}
    async with open_test_runtime(bench.server, CUSTOMERS, **options) as customers:
        await events.make_all_topics(customers)
        await events.fill_outbox(customers, events.purchases(count, [new_id() for _ in range(PEOPLE)]))
        relay = Relay(customers)
        while await relay.turn():
            pass
        await relay.release()
    async with open_test_runtime(bench.server, METRICS, **options) as runtime:
        work = Consuming(runtime, count)
        bench.say(f"{bench.rounds} rounds of {count:,} events")
        partitions = runtime.settings.partitions
        rates = await interleaved(
            bench.rounds,
            {"ours": work.consume, "theirs": lambda: events.read_raw(kafka, PREFIX + TOPIC, partitions, count)},
        )
        folded = count / await seconds(work.fold)
        row = Row(
            what="metrics consumer",
            yardstick="aiokafka getmany() of the same records",
            goal=at_least(0.20),
            ours=rates["ours"],
            theirs=rates["theirs"],
            unit="events/s",
            note=f"and folded into figures afterwards: {folded:,.0f} events/s",
        )
        return [await bench.examine(row, work.consume)]
