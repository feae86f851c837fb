"""A Kafka broker whose data folder is put back to an older copy, under services that run on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from services.kafka import KafkaBroker
from shared.bus import BusUnavailable
from shared.ids import new_id
from shared.outbox.alignment import LogBehind
from shared.outbox.realigning import realign
from shared.outbox.relay import Relay
from shared.outbox.status import consumer_lag, machinery_status
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import TOPICS, echo, fetch, name, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, relay_all
from tests.support.eventually import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.faults_long]


@pytest.fixture
def broker(tmp_path: Path, needs_kafka: None) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


async def test_a_broker_put_back_to_an_older_copy_stops_the_running_relay_and_goes_on_realigned(
    broker: KafkaBroker, tmp_path: Path, make_runtime: MakeRuntime
) -> None:
    bus = {"kafka_bootstrap_servers": broker.bootstrap_servers, "partitions": 3}
    producer, listener = await make_runtime(echo(), **bus), await make_runtime(echo(), **bus)
    await producer.bus.create_topics(TOPICS, partitions=3)
    people = [new_id() for _ in range(6)]
    relay = Relay(producer)
    await publish(producer, relay, people, 1)
    copy(broker, broker.data, tmp_path / "copy")
    await name(producer, people[0], "سارا")
    await publish(producer, relay, people, 2)
    await hear_all(listener)
    copy(broker, tmp_path / "copy", broker.data)
    await say(producer, *(said(person, 3) for person in people))
    await eventually(lambda: relay.alignment.rested, within=10)  # so small a log is put back before it would be asked
    await eventually(lambda: stands_still(relay), within=60)
    assert "`peyvand topics realign echo`" in (await machinery_status(producer))["relay"]

    assert (await realign(producer)).missing == len(people)
    await relay_all(producer)
    await hear_all(listener)

    assert [await numbers_heard(listener, person) for person in people] == [[1, 2, 3]] * len(people)
    assert [row["first_name"] for row in await fetch(listener, "SELECT first_name FROM state.copies")] == ["سارا"]
    lags = await consumer_lag(listener.db, listener.bus, listener.service.consumer)
    assert not any(lag.stopped or lag.behind for lag in lags.values())


async def publish(runtime: Runtime, relay: Relay, people: list[UUID], number: int) -> None:
    await say(runtime, *(said(person, number) for person in people))
    await eventually(lambda: sent(relay), within=60)


async def sent(relay: Relay) -> bool:
    try:
        while await relay.pending():
            await relay.turn()
    except BusUnavailable:
        return False
    return True


async def stands_still(relay: Relay) -> bool:
    try:
        await relay.turn()
    except LogBehind:
        return True
    except BusUnavailable:
        return False
    raise AssertionError("It sent behind what the log had lost.")


def copy(broker: KafkaBroker, source: Path, target: Path) -> None:
    """Stop the broker, copy its data folder or put a copy back, and start it again."""
    broker.stop()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    broker.start()
