"""A rebuild: the same state from the log, while events go on, with nothing lost, doubled or late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts import Received
from shared.db import driver
from shared.ids import new_id
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.outbox.rebuild import RebuildFailed, rebuild
from shared.service import Clock, Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import (
    CONTACTS,
    Said,
    copy_cards,
    fetch,
    hear,
    listening,
    name,
    numbers_heard,
    open_one,
    reach,
    said,
    say,
)
from tests.shared.outbox.machinery import caught_up, hear_all, listening_inbox, log_of, relay_all
from tests.shared.outbox.test_faults import failing_on
from tests.support.eventually import eventually


async def state_of(runtime: Runtime) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    heard = await fetch(runtime, "SELECT event_id, key, version, number FROM state.heard")
    copies = await fetch(runtime, "SELECT key, first_name, version FROM state.copies")
    return {tuple(row) for row in heard}, {tuple(row) for row in copies}


async def test_a_rebuild_comes_out_the_same_and_runs_no_own_or_effect_handler(make_echo: MakeEcho) -> None:
    consumer = listening()
    consumer.own(Said)(open_one)
    consumer.effect(Said)(reach)
    runtime = await make_echo(consumer)
    await say(runtime, *(said(number=number) for number in range(50)))
    person = new_id()
    await name(runtime, person, "سارا")
    await name(runtime, person, "نازنین")
    await relay_all(runtime)
    await hear_all(runtime)
    before = await state_of(runtime)
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE state.heard SET number = -1")
        await connection.execute("DELETE FROM state.copies")
        outbox_before = await connection.fetchval("SELECT count(*) FROM outbox")

    assert await rebuild(runtime) >= 51
    assert await state_of(runtime) == before
    assert len(await fetch(runtime, "SELECT FROM opened")) == 50
    assert len(await fetch(runtime, "SELECT FROM reached")) == 50
    assert (await fetch(runtime, "SELECT count(*) FROM outbox"))[0][0] == outbox_before
    schemas = await fetch(runtime, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'state%'")
    assert [row["nspname"] for row in schemas] == ["state"]


async def test_a_rebuild_while_events_go_on_loses_and_doubles_nothing(make_echo: MakeEcho) -> None:
    runtime = await make_echo(pool_size=12)
    spoken, stop = [0], asyncio.Event()

    async def speak() -> None:
        while not stop.is_set():
            await say(runtime, *(said(number=spoken[0] + number) for number in range(5)))
            spoken[0] += 5
            await relay_all(runtime)

    async def listen() -> None:
        async with listening_inbox(runtime) as inbox:
            while not (speaking.done() and await caught_up(runtime)):
                await inbox.turn()

    async def more_than(count: int) -> bool:
        return len(await numbers_heard(runtime)) > count

    speaking, listening_on = asyncio.create_task(speak()), asyncio.create_task(listen())
    await eventually(lambda: more_than(50), within=30)
    for _ in range(3):
        await rebuild(runtime)
    heard = len(await numbers_heard(runtime))
    await eventually(lambda: more_than(heard), within=30)
    stop.set()
    await asyncio.gather(speaking, listening_on)

    assert sorted(await numbers_heard(runtime)) == list(range(spoken[0]))


async def test_a_late_double_in_the_log_is_not_heard_twice_by_a_rebuild(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await say(runtime, *(said(number=number) for number in range(5)))
    await relay_all(runtime)
    await runtime.bus.send(await log_of(runtime, "echo.events.v1"))
    await hear_all(runtime)
    await rebuild(runtime)

    assert sorted(await numbers_heard(runtime)) == [0, 1, 2, 3, 4]


async def test_parked_events_are_left_out_and_applied_by_the_drain(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime = await make_echo(failing_on(poisons))
    ill = new_id()
    await say(runtime, said(ill, 6), said(ill, 7), said(ill, 8))
    await relay_all(runtime)
    await hear_all(runtime)
    poisons.clear()
    await rebuild(runtime)
    assert await numbers_heard(runtime, ill) == [6]
    await drain(runtime)

    assert await numbers_heard(runtime, ill) == [6, 7, 8]


async def test_what_the_drain_handles_during_a_rebuild_is_in_the_new_state_too(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime = await make_echo(failing_on(poisons))
    ill = new_id()
    await say(runtime, said(ill, 6), said(ill, 7), said(ill, 8))
    await relay_all(runtime)
    await hear_all(runtime)
    poisons.clear()

    async def drain_before_the_swap(_filling: Runtime) -> int:
        return await drain(runtime)

    runtime.service = replace(runtime.service, clocks=(Clock("fold", 1.0, drain_before_the_swap, of_state=True),))
    await rebuild(runtime)

    assert await fetch(runtime, "SELECT FROM parked") == []
    assert sorted(await numbers_heard(runtime, ill)) == [6, 7, 8]


async def test_clocks_of_state_fill_the_new_schema_before_it_answers(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await say(runtime, *(said(number=number) for number in range(5)))
    await relay_all(runtime)
    await hear_all(runtime)
    filled: list[int] = []

    async def fold(filling: Runtime) -> int:
        async with filling.db.transaction() as tx:
            filled.append(await driver(tx).fetchval("SELECT count(*) FROM heard"))
            await driver(tx).execute("UPDATE heard SET number = 42")
        return len(filled) % 2

    async def other(_filling: Runtime) -> int:
        raise AssertionError("This clock does not work on state.")

    runtime.service = replace(
        runtime.service, clocks=(Clock("fold", 1.0, fold, of_state=True), Clock("other", 1.0, other))
    )
    await rebuild(runtime)

    assert filled == [5, 5]
    assert await numbers_heard(runtime) == [42] * 5


async def test_a_rebuild_that_fails_leaves_the_old_state_answering(make_echo: MakeEcho) -> None:
    rebuilding: list[bool] = []

    async def fail_in_rebuild(_tx: AsyncSession, _received: Received[Said]) -> None:
        if rebuilding:
            raise ValueError("no longer understood")

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.state(Said)(fail_in_rebuild)
    consumer.cards(CONTACTS)(copy_cards)
    runtime = await make_echo(consumer)
    await say(runtime, said(number=1))
    await relay_all(runtime)
    await hear_all(runtime)
    rebuilding.append(True)

    with pytest.raises(
        RebuildFailed, match=r"echo.events.v1/. from 0 to 0: ValueError: no longer understood\. The old"
    ):
        await rebuild(runtime)
    assert await numbers_heard(runtime) == [1]
    rebuilding.clear()
    await rebuild(runtime)
    assert await numbers_heard(runtime) == [1]


async def test_a_second_rebuild_beside_the_first_is_refused(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await hear_all(runtime)
    outcomes = await asyncio.gather(rebuild(runtime), rebuild(runtime), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RebuildFailed", "int"]


async def test_the_live_consumer_and_its_statements_go_on_in_the_new_schema(make_echo: MakeEcho) -> None:
    runtime = await make_echo(pool_size=2)
    async with listening_inbox(runtime) as inbox:
        for number in range(3):
            await say(runtime, said(number=number))
            await relay_all(runtime)
            while number not in await numbers_heard(runtime):
                await inbox.turn()
            async with runtime.db.transaction() as tx:
                assert await driver(tx).fetchval("SELECT count(*) FROM heard") == number + 1
            await rebuild(runtime)

    assert sorted(await numbers_heard(runtime)) == [0, 1, 2]
