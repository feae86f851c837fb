"""However much a restored database has lost, it is taken over in steps that may be broken off, or overtaken."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from shared.ids import new_id
from shared.outbox import history, restoring
from shared.outbox.alignment import OldSendsPending
from shared.outbox.consumer import Consumer
from shared.outbox.relay import Relay
from shared.outbox.restate import restate
from shared.outbox.status import machinery_status, relay_lag
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import Said, fetch, listening, name, numbers_heard, open_one, said, say
from tests.shared.outbox.machinery import hear_all
from tests.shared.outbox.test_restored_database import assert_the_log_is_whole, relay_until_sent
from tests.support.restores import copy_of_database

EXPIRE_S = 0.05
PAGE = 10
LOST = 60
KEYS = [new_id() for _ in range(6)]


on_one_transport = pytest.mark.parametrize("make_echo", ["local"], indirect=True)


class Killed(Exception):
    """The process ended, or was made to."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", PAGE)


@pytest.fixture
async def pair(make_echo: MakeEcho) -> tuple[Runtime, Runtime]:
    """Return a service whose restored database knows little of its log, and another that listens to it."""
    producer = await make_echo(old_sends_expire_s=EXPIRE_S)
    listener = await make_echo(listening(), beside=producer)
    await say(producer, *(said(key, 0) for key in KEYS))
    await relay_until_sent(producer, Relay(producer))
    async with copy_of_database(producer.db.url) as copy:
        for key in KEYS:
            await name(producer, key, "سارا")
        await say(producer, *(said(KEYS[number % len(KEYS)], number) for number in range(1, LOST + 1)))
        await relay_until_sent(producer, Relay(producer))
        await copy.restore()
    await say(producer, *(said(key, LOST + 1) for key in KEYS))
    return producer, listener


async def end_lease(producer: Runtime) -> None:
    """Have the lease run out, as it does when its relay is not heard of."""
    await fetch(producer, "UPDATE relay_lease SET until = now() - interval '1 minute'")


async def break_off_before_the_end(producer: Runtime) -> None:
    """Have a relay take over all that the log holds of a partition, and die before that is noted as its end."""
    take_over = restoring.take_over

    async def die_at_the_end(connection: asyncpg.Connection, step: restoring.Step) -> int:
        if step.reached is not None:
            raise Killed
        return await take_over(connection, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restoring, "take_over", die_at_the_end)
        with pytest.raises(Killed):
            await relay_until_sent(producer, Relay(producer))
    await end_lease(producer)


async def assert_all_was_taken_over(producer: Runtime, listener: Runtime) -> None:
    await hear_all(listener)
    for place, key in enumerate(KEYS):
        own = [number for number in range(1, LOST + 1) if number % len(KEYS) == place]
        assert await numbers_heard(listener, key) == [0, *own, LOST + 1]
    rows = await fetch(producer, "SELECT type, count(*) AS count FROM lost_events GROUP BY type")
    assert {row["type"]: row["count"] for row in rows} == {"echo.said": LOST, "contact.changed": len(KEYS)}
    assert (await machinery_status(producer))["relay"] == "ok"
    await assert_the_log_is_whole(producer)


@on_one_transport
async def test_a_take_over_that_is_killed_between_steps_goes_on_where_it_was(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, listener = pair
    taken: list[restoring.Step] = []
    take_over = restoring.take_over

    async def die_in_time(connection: asyncpg.Connection, step: restoring.Step) -> int:
        if len(taken) in {3, 7}:
            taken.append(restoring.Step(step.partition))
            raise Killed
        taken.append(step)
        return await take_over(connection, step)

    monkeypatch.setattr(restoring, "take_over", die_in_time)
    for _ in range(2):
        with pytest.raises(Killed):
            await relay_until_sent(producer, Relay(producer))
        await end_lease(producer)
    await relay_until_sent(producer, Relay(producer))

    assert max(len(step.records) for step in taken) == PAGE
    assert sum(len(step.records) for step in taken) < 2 * (LOST + len(KEYS))
    await assert_all_was_taken_over(producer, listener)


@on_one_transport
async def test_a_relay_that_is_overtaken_between_steps_takes_nothing_back(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, listener = pair
    slow, quick = (Relay(producer) for _ in range(2))
    steps, is_overtaken = restoring.steps, False

    async def overtaken(*arguments: Any) -> AsyncGenerator[restoring.Step]:
        nonlocal is_overtaken
        async for step in steps(*arguments):
            if not (is_overtaken or step.reached is None):
                is_overtaken = True
                await end_lease(producer)
                await relay_until_sent(producer, quick)
            yield step

    monkeypatch.setattr(restoring, "steps", overtaken)
    await relay_until_sent(producer, slow)

    assert is_overtaken
    await assert_all_was_taken_over(producer, listener)


@on_one_transport
async def test_what_the_outbox_still_held_is_not_lost_when_its_take_over_is_broken_off_at_the_end(
    make_echo: MakeEcho,
) -> None:
    producer = await make_echo(old_sends_expire_s=EXPIRE_S)
    listener = await make_echo(listening(), beside=producer)
    person = KEYS[0]
    await say(producer, said(person, 1))
    await relay_until_sent(producer, Relay(producer))
    await say(producer, said(person, 2))
    async with copy_of_database(producer.db.url) as copy:
        await relay_until_sent(producer, Relay(producer))
        await copy.restore()
    await break_off_before_the_end(producer)
    await say(producer, said(person, 3))
    await relay_until_sent(producer, Relay(producer))
    await hear_all(listener)

    assert not await restate(producer, dry_run=True)
    assert (await relay_lag(producer.db, "echo")).lost == 0
    assert await numbers_heard(listener, person) == [1, 2, 3]
    await assert_the_log_is_whole(producer)


@on_one_transport
async def test_what_a_handler_makes_again_while_its_take_over_is_broken_off_is_not_lost(make_echo: MakeEcho) -> None:
    consumer = Consumer("echo")
    consumer.own(Said)(open_one)
    runtime = await make_echo(consumer, old_sends_expire_s=EXPIRE_S)
    await say(runtime, said())
    await relay_until_sent(runtime, Relay(runtime))
    async with copy_of_database(runtime.db.url) as copy:
        await hear_all(runtime)
        await relay_until_sent(runtime, Relay(runtime))
        await copy.restore()
    await break_off_before_the_end(runtime)
    assert (await relay_lag(runtime.db, "echo")).lost == 1
    await hear_all(runtime)
    await relay_until_sent(runtime, Relay(runtime))

    assert not await restate(runtime, dry_run=True)
    assert (await relay_lag(runtime.db, "echo")).lost == 0
    await assert_the_log_is_whole(runtime)


@on_one_transport
async def test_a_relay_whose_wait_another_ended_waits_again_after_the_next_restore(make_echo: MakeEcho) -> None:
    producer = await make_echo(old_sends_expire_s=EXPIRE_S)
    waiting = Relay(producer)
    await say(producer, said())
    await relay_until_sent(producer, Relay(producer))
    async with copy_of_database(producer.db.url) as copy:
        await say(producer, said())
        await relay_until_sent(producer, Relay(producer))
        await copy.restore()
        with pytest.raises(OldSendsPending):
            await waiting.turn()
        await end_lease(producer)
        await relay_until_sent(producer, Relay(producer))
        await copy.restore()

    with pytest.raises(OldSendsPending):
        await waiting.turn()


async def test_late_doubles_between_do_not_hide_what_is_lost(
    pair: tuple[Runtime, Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, listener = pair
    monkeypatch.setattr(history, "LEAST", 1)
    for partition, (first, end) in (await producer.bus.bounds(["echo.events.v1"])).items():
        records = await producer.bus.read(partition, first, most=end)
        await producer.bus.send(records[-3:])
        await producer.bus.send(records[-5:-1])
    await relay_until_sent(producer, Relay(producer))

    await assert_all_was_taken_over(producer, listener)
