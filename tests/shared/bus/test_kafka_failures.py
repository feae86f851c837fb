"""Kafka away: what is sent is refused in time, and everything goes on by itself when the broker is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.kafka import KafkaBroker
from shared.bus import BusUnavailable, TopicPartition
from shared.bus.kafka import KafkaBus
from tests.shared.bus.test_bus import FACTS, fetch_until, from_zero, numbers, record
from tests.support.eventually import eventually

pytestmark = pytest.mark.kafka

LAST = 1_000_000


@pytest.fixture
def broker(kafka_bootstrap: str, tmp_path: Path) -> Iterator[KafkaBroker]:
    """Lend a broker of this test's own, to be killed; the run's own says whether there can be one."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


def kill(broker: KafkaBroker) -> None:
    process = broker.process
    assert process is not None
    process.kill()
    process.wait()


async def test_a_killed_broker_loses_nothing_acknowledged_and_clients_go_on_when_it_is_back(
    broker: KafkaBroker,
) -> None:
    bus = KafkaBus(broker.bootstrap_servers)
    await bus.create_topics({FACTS: False}, partitions=1)
    subscription = await bus.subscribe("ears", [FACTS], from_zero)
    await bus.send([record(0)])
    assert numbers(await fetch_until(subscription, 1)) == [0]
    acknowledged = [0]
    sending = asyncio.create_task(send_until_refused(bus, acknowledged))
    await eventually(lambda: len(acknowledged) > 100, within=30)
    kill(broker)
    began = time.monotonic()
    await sending
    assert time.monotonic() - began < 10

    await asyncio.to_thread(broker.start)
    await send_when_possible(bus, LAST)
    kept = numbers(await bus.read(TopicPartition(FACTS, 0), 0, most=100_000))
    assert set(acknowledged) - set(kept) == set()
    assert kept[-1] == LAST
    assert LAST in numbers(await fetch_until(subscription, len(kept) - 1))
    await subscription.close()
    await bus.close()


async def send_until_refused(bus: KafkaBus, acknowledged: list[int]) -> None:
    """Send a number at a time, and note each that is acknowledged, until the broker is away."""
    with suppress(BusUnavailable):
        while True:
            await bus.send([record(len(acknowledged))])
            acknowledged.append(len(acknowledged))


async def send_when_possible(bus: KafkaBus, number: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await bus.send([record(number)])
            except BusUnavailable:
                continue
            return


async def test_a_broker_that_is_not_there_is_said_to_be_unavailable() -> None:
    bus = KafkaBus("127.0.0.1:1")

    with pytest.raises(BusUnavailable):
        await bus.send([record(1)])
    with pytest.raises(BusUnavailable):
        await bus.ping()
    with pytest.raises(BusUnavailable):
        await bus.subscribe("ears", [FACTS], from_zero)
    await bus.close()
