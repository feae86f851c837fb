"""A service's database restored from an older copy: what it publishes next is neither dropped nor doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Event
from shared.ids import new_id
from shared.outbox import restoring, wire
from shared.outbox.alignment import NotAligned, OldSendsPending
from shared.outbox.consumer import Consumer
from shared.outbox.lease import LeaseLost
from shared.outbox.relay import Relay
from shared.outbox.status import lost_in_a_restore, machinery_status, relay_lag
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import (
    CONTACTS,
    FACTS,
    Said,
    fetch,
    listening,
    name,
    numbers_heard,
    open_one,
    said,
    say,
)
from tests.shared.outbox.machinery import hear_all, log_of, places
from tests.support.restores import copy_of_database

EXPIRE_S = 0.3
LEASE_S = 0.5


async def relay_until_sent(runtime: Runtime, relay: Relay | None = None) -> None:
    """Relay until the outbox is empty, through the wait that a restore costs."""
    relay = relay or Relay(runtime, lease_s=LEASE_S)
    async with asyncio.timeout(20):
        while await relay.pending():
            try:
                await relay.turn()
            except NotAligned:
                await asyncio.sleep(EXPIRE_S / 3)
    await relay.release()


async def publish(runtime: Runtime, *events: Event) -> None:
    await say(runtime, *events)
    await relay_until_sent(runtime)


async def events_lost(runtime: Runtime) -> set[tuple[str, UUID]]:
    rows = await fetch(runtime, "SELECT type, key FROM lost_events WHERE restated_at IS NULL")
    return {(row["type"], row["key"]) for row in rows}


async def assert_the_log_is_whole(runtime: Runtime) -> None:
    """Positions are dense, each names one event, and versions rise with them for each key."""
    records = await log_of(runtime, FACTS)
    for positions in places(records).values():
        assert list(dict.fromkeys(positions)) == list(range(1, max(positions) + 1))
    ids = {(each.partition, wire.position_of(each)): wire.id_of(each) for each in records}
    assert len(set(ids.values())) == len(ids)
    assert len({(each.partition, wire.position_of(each), wire.id_of(each)) for each in records}) == len(ids)
    for key in {record.key for record in records}:
        versions = [wire.version_of(record) for record in records if record.key == key]
        assert sorted(set(versions)) == list(dict.fromkeys(versions))


@pytest.fixture
async def pair(make_echo: MakeEcho) -> tuple[Runtime, Runtime]:
    """Return a service that publishes, and another that listens to it, on one bus."""
    producer = await make_echo(old_sends_expire_s=EXPIRE_S)
    return producer, await make_echo(listening(), beside=producer)


async def test_what_is_published_after_a_restore_is_heard_once_and_what_was_lost_is_known(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    keys = [new_id() for _ in range(6)]
    await publish(producer, *(said(key, 1) for key in keys))
    async with copy_of_database(producer.db.url) as copy:
        await publish(producer, *(said(key, 2) for key in keys[:4]))
        await copy.restore()
    await publish(producer, *(said(key, 3) for key in keys))
    await hear_all(listener)

    heard = [await numbers_heard(listener, key) for key in keys]
    assert heard == [[1, 2, 3]] * 4 + [[1, 3]] * 2
    assert await events_lost(producer) == {("echo.said", key) for key in keys[:4]}
    assert (await relay_lag(producer.db, "echo")).lost == 4
    assert "`peyvand restate echo`" in (await lost_in_a_restore(producer.db, "echo") or "")
    await assert_the_log_is_whole(producer)


async def test_a_copy_that_is_restored_twice_loses_and_doubles_nothing_that_comes_next(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with copy_of_database(producer.db.url) as copy:
        await publish(producer, said(person, 2))
        for number in (3, 4):
            await copy.restore()
            await publish(producer, said(person, number))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3, 4]
    [(lost,)] = await fetch(producer, "SELECT count(*) FROM lost_events")
    assert lost == 2
    await assert_the_log_is_whole(producer)


async def test_what_waited_in_the_copy_is_not_sent_again_if_it_was_and_sent_if_it_was_not(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    await say(producer, said(person, 2), said(person, 3))
    async with copy_of_database(producer.db.url) as copy:
        relay = Relay(producer, rows=1)
        await relay.turn()
        await copy.restore()
    await publish(producer, said(person, 4))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3, 4]
    assert await events_lost(producer) == set()
    await assert_the_log_is_whole(producer)


@pytest.mark.parametrize("was_sent", [True, False])
async def test_a_batch_that_was_stored_in_the_copy_is_heard_once_whether_it_had_been_sent_or_not(
    pair: tuple[Runtime, Runtime], *, was_sent: bool
) -> None:
    producer, listener = pair
    people = [new_id() for _ in range(12)]
    await publish(producer, *(said(person, 1) for person in people))
    await say(producer, *(said(person, 2) for person in people))
    dead = Relay(producer, lease_s=0.01)
    batch = await dead.take()
    assert batch is not None
    async with copy_of_database(producer.db.url) as copy:
        if was_sent:
            await producer.bus.send(batch.records)
            await relay_until_sent(producer)
            await publish(producer, *(said(person, 3) for person in people[:2]))
        await copy.restore()
    await publish(producer, *(said(person, 4) for person in people))
    await hear_all(listener)

    heard = [await numbers_heard(listener, person) for person in people]
    assert heard == [[1, 2, 3, 4] if was_sent and person in people[:2] else [1, 2, 4] for person in people]
    await assert_the_log_is_whole(producer)


async def test_what_handlers_make_again_is_not_sent_again(make_echo: MakeEcho) -> None:
    consumer = Consumer("echo")
    consumer.own(Said)(open_one)
    runtime = await make_echo(consumer, old_sends_expire_s=EXPIRE_S)
    await publish(runtime, *(said() for _ in range(5)))
    async with copy_of_database(runtime.db.url) as copy:
        await hear_all(runtime)
        await relay_until_sent(runtime)
        await publish(runtime, said())
        await copy.restore()
    await relay_until_sent(runtime)
    assert (await relay_lag(runtime.db, "echo")).lost == 6
    await hear_all(runtime)
    await relay_until_sent(runtime)

    answers = [wire.id_of(each) for each in await log_of(runtime, FACTS) if wire.type_of(each) == "echo.answered"]
    assert len(answers) == len(set(answers)) == 6
    assert (await relay_lag(runtime.db, "echo")).lost == 1
    await assert_the_log_is_whole(runtime)


async def test_new_cards_win_over_those_that_the_database_no_longer_knows(pair: tuple[Runtime, Runtime]) -> None:
    producer, listener = pair
    person, newcomer = new_id(), new_id()
    await name(producer, person, "سارا")
    await relay_until_sent(producer)
    async with copy_of_database(producer.db.url) as copy:
        for first_name in ("نازنین", "مینا", "رویا"):
            await name(producer, person, first_name)
            await relay_until_sent(producer)
        await copy.restore()
    await name(producer, newcomer, "آرش")
    await name(producer, person, "مهسا")
    await relay_until_sent(producer)
    await hear_all(listener)

    rows = await fetch(listener, "SELECT key, first_name FROM state.copies")
    assert {row["key"]: row["first_name"] for row in rows} == {person: "مهسا", newcomer: "آرش"}
    assert await events_lost(producer) == {("contact.changed", person)}
    versions = [wire.version_of(record) for record in await log_of(producer, CONTACTS) if record.key == person]
    assert versions == sorted(versions)


async def test_a_restored_relay_waits_until_what_was_sent_before_has_expired_and_says_so(
    make_echo: MakeEcho,
) -> None:
    runtime = await make_echo(old_sends_expire_s=60)
    await publish(runtime, said())
    async with copy_of_database(runtime.db.url) as copy:
        await publish(runtime, said())
        await copy.restore()
    await say(runtime, said())
    relay = Relay(runtime)
    for _ in range(3):
        with pytest.raises(OldSendsPending):
            await relay.turn()

    assert len(await log_of(runtime, FACTS)) == 2
    assert "arrive for another 60 s" in (await machinery_status(runtime))["relay"]


async def test_a_send_that_arrives_while_the_relay_waits_is_found(pair: tuple[Runtime, Runtime]) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with copy_of_database(producer.db.url) as copy:
        await publish(producer, said(person, 2))
        await say(producer, said(person, 3))
        late = await Relay(producer).take()
        assert late is not None
        await copy.restore()
    relay = Relay(producer)
    with pytest.raises(OldSendsPending):
        await relay.turn()
    await producer.bus.send(late.records)
    await relay.release()
    await publish(producer, said(person, 4))
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3, 4]
    await assert_the_log_is_whole(producer)


async def test_a_relay_that_reads_for_longer_than_its_lease_lasts_keeps_it(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    async with copy_of_database(producer.db.url) as copy:
        await publish(producer, said(person, 2))
        await copy.restore()
    await say(producer, said(person, 3))
    relay, other = (Relay(producer, lease_s=LEASE_S) for _ in range(2))
    steps, refused = restoring.steps, 0

    async def read_slowly(*arguments: Any) -> AsyncGenerator[restoring.Step]:
        nonlocal refused
        until = time.monotonic() + 3 * LEASE_S
        while time.monotonic() < until:
            with pytest.raises(LeaseLost):
                await other.turn()
            refused += 1
            await asyncio.sleep(LEASE_S / 10)
        async for step in steps(*arguments):
            yield step

    monkeypatch.setattr(restoring, "steps", read_slowly)
    await relay_until_sent(producer, relay)
    await hear_all(listener)

    assert refused
    assert await numbers_heard(listener, person) == [1, 2, 3]


async def test_the_running_relay_notices_that_its_database_is_another_before_it_settles_or_sends(
    pair: tuple[Runtime, Runtime],
) -> None:
    producer, listener = pair
    person = new_id()
    await publish(producer, said(person, 1))
    relay = Relay(producer, lease_s=LEASE_S)
    await relay.turn()
    async with copy_of_database(producer.db.url) as copy:
        await say(producer, said(person, 2))
        await relay.turn()
        await copy.restore()
    await say(producer, said(person, 3))
    await relay_until_sent(producer, relay)
    await hear_all(listener)

    assert await numbers_heard(listener, person) == [1, 2, 3]
    await assert_the_log_is_whole(producer)


async def test_a_relay_at_work_asks_the_log_nothing(make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = await make_echo()
    relay = Relay(runtime)
    await say(runtime, said())
    await relay.turn()
    asked: list[str] = []
    read_many, bounds = runtime.bus.read_many, runtime.bus.bounds
    monkeypatch.setattr(runtime.bus, "read_many", noting(asked, read_many))
    monkeypatch.setattr(runtime.bus, "bounds", noting(asked, bounds))
    for _ in range(20):
        await say(runtime, said())
        assert await relay.turn() == 1

    assert asked == []


def noting(asked: list[str], ask: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def noted(*arguments: object, **options: object) -> object:
        asked.append(ask.__name__)
        return await ask(*arguments, **options)

    return noted
