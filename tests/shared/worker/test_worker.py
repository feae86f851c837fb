"""A worker: everything at once, through failures, and to an end within seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from shared.bus.kafka import KafkaBus
from shared.contracts import Received
from shared.ids import new_id
from shared.outbox.status import machinery_status
from shared.service import Clock, Runtime
from shared.worker import Worker
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import Said, fetch, listening, name, numbers_heard, said, say
from tests.shared.outbox.machinery import relay_all
from tests.support.eventually import eventually
from tests.support.restores import copy_of_database


@asynccontextmanager
async def working(runtime: Runtime, *clocks: Clock) -> AsyncIterator[Worker]:
    """Run a worker for the length of the block, with `clocks` in the place of the service's."""
    runtime.service = replace(runtime.service, clocks=clocks)
    stop, worker = asyncio.Event(), Worker(runtime)
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await task


async def heard_all(runtime: Runtime, numbers: list[int], person: UUID | None = None) -> bool:
    return await numbers_heard(runtime, person) == numbers


async def test_what_is_said_is_heard_in_order(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()

    async def copied() -> bool:
        rows = await fetch(runtime, "SELECT first_name FROM state.copies WHERE key = $1", person)
        return [row["first_name"] for row in rows] == ["سارا"]

    async with working(runtime):
        for number in range(5):
            await say(runtime, said(person, number))
        await name(runtime, person, "سارا")

        await eventually(lambda: heard_all(runtime, [0, 1, 2, 3, 4], person), within=40)
        await eventually(copied, within=20)
        assert await machinery_status(runtime) == {"broker": "ok", "relay": "ok", "consumer": "ok"}


async def test_two_workers_of_one_service_hear_everything_once(make_echo: MakeEcho) -> None:
    runtime = await make_echo(pool_size=20)

    async def all_heard() -> bool:
        return sorted(await numbers_heard(runtime)) == list(range(60))

    async with working(runtime), working(runtime):
        for start in range(0, 60, 10):
            await say(runtime, *(said(number=number) for number in range(start, start + 10)))
        await eventually(all_heard, within=60)


async def test_a_parked_event_is_drained_by_the_worker(make_echo: MakeEcho) -> None:
    failures = [True]

    async def fail_once(_tx: AsyncSession, _received: Received[Said]) -> None:
        if failures:
            failures.clear()
            raise ValueError("not yet")

    consumer = listening()
    consumer.own(Said)(fail_once)
    runtime = await make_echo(consumer)
    async with working(runtime):
        await say(runtime, said(number=1))
        await eventually(lambda: heard_all(runtime, [1]), within=40)
    assert failures == []


async def test_a_worker_ends_within_seconds_and_lets_go_of_the_lease(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    async with working(runtime):
        await say(runtime, said(number=1))
        await eventually(lambda: heard_all(runtime, [1]), within=40)
        ending = time.monotonic()
    assert time.monotonic() - ending < 8

    rows = await fetch(runtime, "SELECT until > clock_timestamp() AS held FROM relay_lease")
    assert [row["held"] for row in rows] in ([], [False])


async def test_a_clock_is_turned_again_at_once_while_it_finds_work(make_local: MakeEcho) -> None:
    runtime = await make_local()
    left = [5]

    async def turn(_runtime: Runtime) -> int:
        left[0] -= left[0] > 0
        return left[0]

    async with working(runtime, Clock("work", 0.5, turn)):
        await eventually(lambda: left[0] == 0, within=2)


async def test_a_clock_that_fails_is_turned_again(make_local: MakeEcho) -> None:
    runtime = await make_local()
    turns: list[int] = []

    async def turn(_runtime: Runtime) -> int:
        turns.append(1)
        raise ValueError("not this time")

    async with working(runtime, Clock("failing", 0.05, turn)):
        await eventually(lambda: len(turns) >= 3)


async def test_a_clock_keeps_its_cadence_however_long_a_turn_takes(make_local: MakeEcho) -> None:
    runtime = await make_local()
    began: list[float] = []

    async def turn(_runtime: Runtime) -> int:
        began.append(time.monotonic())
        await asyncio.sleep(0.1)
        return 0

    async with working(runtime, Clock("slow", 0.2, turn)):
        await eventually(lambda: len(began) >= 6)
    assert (began[5] - began[0]) / 5 == pytest.approx(0.2, abs=0.07)


async def test_loops_go_on_when_the_database_comes_back(make_local: MakeEcho) -> None:
    runtime = await make_local()
    async with working(runtime):
        await say(runtime, said(number=1))
        await eventually(lambda: heard_all(runtime, [1]), within=20)
        async with runtime.db.connection() as connection:
            await connection.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """
            )
        await eventually(lambda: say_again(runtime), within=10)
        await eventually(lambda: heard_all(runtime, [1, 2]), within=20)


async def say_again(runtime: Runtime) -> bool:
    """Say 2, once the pool has noticed which connections are gone."""
    try:
        await say(runtime, said(number=2))
    except Exception:  # noqa: BLE001  (whatever a connection that was ended raises)
        return False
    return True


async def test_a_worker_of_a_restored_database_knows_what_was_done_before_it_turns_a_clock(
    make_local: MakeEcho,
) -> None:
    runtime = await make_local(old_sends_expire_s=60.0)
    known: list[int] = []
    at_first_turn: list[list[int]] = []

    async def take_over(_tx: AsyncSession, received: Received[Said]) -> None:
        known.append(received.event.number)

    async def act(_runtime: Runtime) -> int:
        at_first_turn.append(list(known))
        return 0

    runtime.service = replace(runtime.service, relearners={Said: take_over})
    async with copy_of_database(runtime.db.url) as copy:
        await say(runtime, said(number=7))
        await relay_all(runtime)
        await copy.restore()
    async with working(runtime, Clock("act", 0.05, act)):
        await eventually(lambda: at_first_turn, within=10)

    assert at_first_turn[0] == [7]


async def test_nothing_is_done_that_may_have_been_done_while_the_log_cannot_be_asked(make_local: MakeEcho) -> None:
    runtime = await make_local()
    turned: list[int] = []

    async def take_over(_tx: AsyncSession, _received: Received[Said]) -> None: ...

    async def act(_runtime: Runtime) -> int:
        turned.append(1)
        return 0

    runtime.service = replace(runtime.service, relearners={Said: take_over})
    log, runtime.bus = runtime.bus, KafkaBus("127.0.0.1:1")
    with capture_logs() as said_so:
        async with working(runtime, Clock("act", 0.05, act)):
            await eventually(lambda: sum(line["event"] == "start_waits" for line in said_so) > 1, within=30)
            assert turned == []
            runtime.bus = log
            await eventually(lambda: turned, within=30)
