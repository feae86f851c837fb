"""The log restored from an older copy, or made anew, under services that had published and heard more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from shared.bus import BusUnavailable, TopicPartition
from shared.bus.partitions import partition_of
from shared.contracts import Event
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.alignment import LogAhead, LogBehind
from shared.outbox.inbox import Inbox
from shared.outbox.realigning import Realigned, RelayAtWork, realign
from shared.outbox.relay import Relay
from shared.outbox.restoring import read_standings
from shared.outbox.status import consumer_lag, machinery_status
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import CONTACTS, FACTS, TOPICS, fetch, listening, name, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, hear_by, listening_inbox, log_of, places, relay_all
from tests.support.restores import LogCopy, copy_of_database, copy_of_log

PARTITIONS = 3


@pytest.fixture
async def pair(make_echo: MakeEcho) -> tuple[Runtime, Runtime]:
    """Return a service that publishes, and another that listens to it, on one bus."""
    producer = await make_echo(partitions=PARTITIONS, old_sends_expire_s=0.3)
    return producer, await make_echo(listening(), partitions=PARTITIONS, beside=producer)


@asynccontextmanager
async def log_copy(runtime: Runtime) -> AsyncIterator[LogCopy]:
    async with copy_of_log(runtime.bus, TOPICS, partitions=PARTITIONS) as copy:
        yield copy


async def publish(runtime: Runtime, *events: Event) -> None:
    await say(runtime, *events)
    await relay_all(runtime)


async def stands_still(runtime: Runtime) -> bool:
    try:
        await relay_all(runtime)
    except LogBehind:
        return True
    return False


async def names_heard(runtime: Runtime) -> dict[object, object]:
    rows = await fetch(runtime, "SELECT key, first_name FROM state.copies")
    return {row["key"]: row["first_name"] for row in rows}


async def nothing_stands_still(runtime: Runtime) -> bool:
    lags = await consumer_lag(runtime.db, runtime.bus, runtime.service.consumer)
    return not any(lag.stopped or lag.behind for lag in lags.values())


@pytest.mark.parametrize("held", ["something", "nothing"])
async def test_a_log_that_lost_events_stops_the_relay_until_it_is_realigned_and_then_all_goes_on(
    pair: tuple[Runtime, Runtime], held: str
) -> None:
    producer, listener = pair
    people = [new_id() for _ in range(8)]
    if held == "something":
        await name(producer, people[0], "سارا")
        await publish(producer, *(said(person, 1) for person in people))
    async with log_copy(producer) as copy:
        await name(producer, people[1], "نازنین")
        await publish(producer, *(said(person, 2) for person in people))
        await hear_all(listener)
        before = await names_heard(listener)
        await copy.restore()
    await say(producer, *(said(person, 3) for person in people))
    assert await stands_still(producer)
    assert "`peyvand topics realign echo`" in (await machinery_status(producer))["relay"]
    assert not any(number == 3 for number in await numbers_heard(listener))

    done = await realign(producer)
    await relay_all(producer)
    await hear_all(listener)

    assert done.missing == len(people)
    assert done.cards == len(before)
    earlier = [1, 2] if held == "something" else [2]
    assert [await numbers_heard(listener, person) for person in people] == [[*earlier, 3]] * len(people)
    assert await names_heard(listener) == before
    assert await nothing_stands_still(listener)
    assert (await machinery_status(producer))["relay"] == "ok"
    assert await realign(producer) == Realigned()


async def test_a_consumer_that_had_read_less_than_was_lost_jumps_over_it_and_goes_on(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    await hear_all(listener)
    async with log_copy(producer) as copy:
        await publish(producer, said(person, 2), said(person, 3))
        await copy.restore()
    assert await stands_still(producer)
    await realign(producer)
    await publish(producer, said(person, 4))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 4]
    assert await nothing_stands_still(listener)


async def test_a_consumer_that_comes_back_when_the_log_has_grown_past_its_place_misses_nothing(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    person = new_id()
    named = [new_id() for _ in range(5)]
    async with log_copy(producer) as copy:
        for each in named:
            await name(producer, each, "سارا")
        await publish(producer, *(said(person, number) for number in range(5)))
        await hear_all(listener)
        await copy.restore()
    assert await stands_still(producer)
    await realign(producer)
    for each in named:
        await name(producer, each, "نازنین")
    for each in named:
        await name(producer, each, "مینا")
    await publish(producer, *(said(person, number) for number in range(5, 30)))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == list(range(30))
    assert await names_heard(listener) == dict.fromkeys(named, "مینا")
    assert await nothing_stands_still(listener)


async def test_a_running_consumer_stops_red_when_the_log_is_gone_and_goes_on_when_it_is_realigned(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.kafka_subscription.METADATA_MS", 500)
    producer, listener = pair
    person = new_id()
    async with log_copy(producer) as copy, listening_inbox(listener, retry_stopped_s=0.2) as inbox:
        await publish(producer, *(said(person, number) for number in range(5)))
        await hear_by(inbox)
        await copy.restore()
        assert await stands_still(producer)
        await turn_until_stopped(inbox)
        assert "peyvand topics realign" in (await machinery_status(listener))["consumer"]
        await realign(producer)
        await publish(producer, said(person, 5))
        async with asyncio.timeout(30):
            while not await nothing_stands_still(listener):
                await turn(inbox)

    assert await numbers_heard(listener, person) == [0, 1, 2, 3, 4, 5]


async def test_a_consumer_whose_commit_is_lost_when_it_is_placed_anew_is_not_taken_for_a_restored_one(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus has lost records here, but still knows how far they were read."""
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with log_copy(producer) as copy:
        await publish(producer, said(person, 2), said(person, 3))
        await hear_all(listener)
        await copy.restore()
    await realign(producer)
    async with listening_inbox(listener) as inbox:
        subscription = await inbox._subscribed()
        await subscription.commit({TopicPartition(FACTS, partition_of(person, PARTITIONS)): 3})
        monkeypatch.setattr(subscription, "commit", lose_commit)
        with suppress(BusUnavailable):
            await hear_by(inbox)
    await publish(producer, said(person, 4), said(person, 5))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3, 4, 5]
    assert await fetch(listener, "SELECT FROM inbox WHERE restored_until > 0") == []


async def lose_commit(_offsets: Mapping[TopicPartition, int]) -> None:
    """Do what a subscription does where the transport does not answer in time."""


async def turn_until_stopped(inbox: Inbox) -> None:
    while not await fetch(inbox.runtime, "SELECT FROM inbox WHERE stopped IS NOT NULL"):
        await turn(inbox)


async def turn(inbox: Inbox) -> None:
    """Turn as a worker does: what passes closes the subscription."""
    try:
        await inbox.turn()
    except Exception:  # noqa: BLE001
        await inbox.close()


async def test_a_batch_on_its_way_when_the_log_was_lost_is_heard_once(pair: tuple[Runtime, Runtime]) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with log_copy(producer) as copy:
        await publish(producer, said(person, 2))
        await say(producer, said(person, 3))
        dead = Relay(producer, lease_s=0.01)
        batch = await dead.take()
        assert batch is not None
        await producer.bus.send(batch.records)
        await hear_all(listener)
        await copy.restore()
    assert await stands_still(producer)
    await realign(producer)
    await publish(producer, said(person, 4))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3, 4]
    for positions in places(await log_of(producer, FACTS)).values():
        assert positions == sorted(positions)


async def test_a_gap_stands_for_what_was_lost_alone(pair: tuple[Runtime, Runtime]) -> None:
    producer, _ = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with log_copy(producer) as copy:
        await publish(producer, said(person, 2), said(person, 3))
        await copy.restore()
    await realign(producer)

    [gap] = [record for record in await log_of(producer, FACTS) if wire.is_gap(record)]
    assert (wire.missing_from(gap), wire.position_of(gap)) == (2, 3)
    async with producer.db.connection() as connection:
        standings = await read_standings(connection, producer.service)
    assert standings[TopicPartition(FACTS, gap.partition)].given == 3


async def test_contact_topics_made_anew_alone_are_filled_again(pair: tuple[Runtime, Runtime]) -> None:
    producer, listener = pair
    people = [new_id() for _ in range(6)]
    async with copy_of_log(producer.bus, {CONTACTS: True}, partitions=PARTITIONS) as copy:
        for person in people:
            await name(producer, person, "سارا")
        await relay_all(producer)
        await hear_all(listener)
        await copy.restore()
    assert await stands_still(producer)
    assert (await realign(producer)).cards == len(people)
    await relay_all(producer)
    await hear_all(listener)

    assert {record.key for record in await log_of(producer, CONTACTS) if wire.is_card(record)} == set(people)
    assert await names_heard(listener) == dict.fromkeys(people, "سارا")
    assert await nothing_stands_still(listener)


async def test_realigning_leaves_a_log_that_is_ahead_to_the_relay(pair: tuple[Runtime, Runtime]) -> None:
    producer, _ = pair
    await publish(producer, said())
    async with copy_of_database(producer.db.url) as copy:
        await publish(producer, said())
        await copy.restore()

    with pytest.raises(LogAhead):
        await realign(producer)


async def test_realigning_waits_for_a_relay_and_gives_up_on_one_at_work(pair: tuple[Runtime, Runtime]) -> None:
    producer, _ = pair
    await say(producer, said())
    await Relay(producer).take()

    with pytest.raises(RelayAtWork):
        await realign(producer, patience_s=0.2)
