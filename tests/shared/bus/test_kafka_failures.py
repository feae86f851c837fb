"""Kafka away: what is sent is refused in time, and everything goes on by itself when the broker is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kafka import KafkaBroker
from shared.bus import BusUnavailable, TopicPartition
from shared.bus.kafka import KafkaBus
from tests.shared.bus.test_bus import FACTS, fetch_until, from_zero, numbers, record

pytestmark = pytest.mark.kafka


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
    await bus.send([record(1)])
    assert numbers(await fetch_until(subscription, 1)) == [1]
    kill(broker)
    began = time.monotonic()
    with pytest.raises(BusUnavailable):
        await bus.send([record(2)])
    assert time.monotonic() - began < 10

    await asyncio.to_thread(broker.start)
    await send_when_possible(bus, 3)
    assert 3 in numbers(await fetch_until(subscription, 1))
    assert numbers(await bus.read(TopicPartition(FACTS, 0), 0, most=10))[0] == 1
    await subscription.close()
    await bus.close()


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
