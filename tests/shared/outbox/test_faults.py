"""Failing: an event at fault parks its key alone; code at fault stops its partition; the database's fault waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import TopicPartition
from shared.bus.partitions import partition_of
from shared.clock import moved
from shared.contracts import Received
from shared.db import driver
from shared.errors import Conflict, Unavailable
from shared.ids import new_id
from shared.outbox.batches import DEATHS, apply_partition
from shared.outbox.consumer import Consumer
from shared.outbox.drain import TRIES, drain
from shared.outbox.inbox import Inbox
from shared.outbox.status import machinery_status
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS, Said, fetch, hear, numbers_heard, open_one, said, say
from tests.shared.outbox.machinery import hear_all, hear_by, listening_inbox, log_of, relay_all

Handler = Callable[[AsyncSession, Sequence[Received[Said]]], Awaitable[None]]


class Refused(Conflict):
    code = "refused"


def failing_on(poisons: set[int], error: Callable[[], Exception] = lambda: Refused("No.")) -> Consumer:
    """Return a consumer that keeps what is said, publishes for it, and fails on some numbers."""

    async def fail(_tx: AsyncSession, received: Received[Said]) -> None:
        if received.event.number in poisons:
            raise error()

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.own(Said)(open_one)
    consumer.own(Said)(fail)
    return consumer


async def parked(runtime: Runtime) -> list[tuple[UUID, str, bool]]:
    rows = await fetch(runtime, 'SELECT key, state, error FROM parked ORDER BY topic, partition, "offset"')
    return [(row["key"], row["state"], row["error"] is not None) for row in rows]


async def test_an_event_at_fault_parks_what_follows_for_its_key_and_nothing_else(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    ill, well = new_id(), new_id()
    events = [said(well, 1), said(ill, 6), said(ill, 7), said(ill, 8), said(well, 2), said(ill, 9)]
    await say(runtime, *events, *(said(number=100) for _ in range(30)))
    await relay_all(runtime)
    await hear_all(runtime)

    assert await numbers_heard(runtime, ill) == [6]
    assert await numbers_heard(runtime, well) == [1, 2]
    assert (await numbers_heard(runtime)).count(100) == 30
    assert await parked(runtime) == [(ill, "parked", True), (ill, "parked", False), (ill, "parked", False)]
    assert (await machinery_status(runtime))["consumer"] == "ok"


async def test_what_a_failed_event_wanted_to_publish_is_not_written(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    await say(runtime, said(number=7), said(number=8))
    await relay_all(runtime)
    await hear_all(runtime)

    answers = await fetch(runtime, "SELECT causation_id FROM outbox")
    opened = await fetch(runtime, "SELECT event_id, number FROM opened")
    assert [row["number"] for row in opened] == [8]
    assert [row["causation_id"] for row in answers] == [opened[0]["event_id"]]


async def test_what_comes_in_a_later_batch_for_a_parked_key_waits_behind_it(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    ill = new_id()
    for number in (7, 8):
        await say(runtime, said(ill, number))
        await relay_all(runtime)
        await hear_all(runtime)

    assert await numbers_heard(runtime, ill) == []
    assert await parked(runtime) == [(ill, "parked", True), (ill, "parked", False)]


async def test_a_drained_key_is_handled_in_its_order_and_flows_again(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime = await make_echo(failing_on(poisons))
    ill = new_id()
    await say(runtime, *(said(ill, number) for number in (7, 8, 9)))
    await relay_all(runtime)
    await hear_all(runtime)
    poisons.clear()

    assert await drain(runtime) == 3
    assert await numbers_heard(runtime, ill) == [7, 8, 9]
    assert await parked(runtime) == []
    await say(runtime, said(ill, 10))
    await relay_all(runtime)
    await hear_all(runtime)
    assert await numbers_heard(runtime, ill) == [7, 8, 9, 10]


async def test_an_event_that_fails_five_times_is_dead_and_its_key_goes_on(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    ill = new_id()
    await say(runtime, *(said(ill, number) for number in (7, 8)))
    await relay_all(runtime)
    await hear_all(runtime)
    for _ in range(TRIES - 1):
        assert await drain(runtime, backoff_s=(0,)) == 0
    assert await drain(runtime, backoff_s=(0,)) == 1
    await drain(runtime)

    assert await parked(runtime) == [(ill, "dead", True)]
    assert await numbers_heard(runtime, ill) == [8]


async def test_the_drain_waits_longer_after_every_failure(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    await say(runtime, said(number=7))
    await relay_all(runtime)
    await hear_all(runtime)
    tried = []
    for minutes in (0, 0, 1, 1):
        with moved(timedelta(minutes=minutes)):
            await drain(runtime, backoff_s=(30, 300))
        [row] = await fetch(runtime, "SELECT attempts FROM parked")
        tried.append(row["attempts"])

    assert tried == [1, 1, 2, 2]


async def test_a_handler_that_fails_on_everything_stops_its_partition_red_and_parks_nothing(
    make_echo: MakeEcho,
) -> None:
    poisons = set(range(100))
    runtime = await make_echo(failing_on(poisons), partitions=1)
    await say(runtime, *(said(number=number) for number in range(100)))
    await relay_all(runtime)
    await hear_all(runtime)

    assert await parked(runtime) == []
    status = (await machinery_status(runtime))["consumer"]
    assert status == f"{FACTS}/0 stands still: 11 keys fail within 1000 events; the last: Refused: No."
    poisons.clear()
    async with listening_inbox(runtime, retry_stopped_s=0.0) as inbox:
        await hear_by(inbox)
        while await numbers_heard(runtime) == []:
            await inbox.turn()
    assert await numbers_heard(runtime) == list(range(100))
    assert (await machinery_status(runtime))["consumer"] == "ok"


async def test_failures_that_trickle_in_stop_the_partition_too(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on(set(range(100))), partitions=1)
    for number in range(12):
        await say(runtime, said(number=number))
        await relay_all(runtime)
        await hear_all(runtime)

    assert len(await parked(runtime)) == 10
    assert "11 keys fail" in (await machinery_status(runtime))["consumer"]


async def test_failures_that_the_drain_gave_up_count_against_the_code_too(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on(set(range(100))), partitions=1)
    for number in range(11):
        await say(runtime, said(number=number))
        await relay_all(runtime)
        await hear_all(runtime)
        for _ in range(TRIES):
            await drain(runtime, backoff_s=(0,))

    assert [state for _, state, _ in await parked(runtime)] == ["dead"] * 10
    assert "11 keys fail" in (await machinery_status(runtime))["consumer"]


async def test_the_databases_fault_is_no_try_of_the_drain(make_echo: MakeEcho) -> None:
    faults: list[Exception] = [Refused("No.")]

    async def fail(_tx: AsyncSession, _received: Received[Said]) -> None:
        raise faults[0]

    consumer = Consumer("echo")
    consumer.own(Said)(fail)
    runtime = await make_echo(consumer)
    await say(runtime, said())
    await relay_all(runtime)
    await hear_all(runtime)
    faults[0] = ConnectionResetError("gone")
    for _ in range(TRIES + 1):
        with pytest.raises(ConnectionResetError):
            await drain(runtime, backoff_s=(0,))

    [row] = await fetch(runtime, "SELECT state, attempts FROM parked")
    assert tuple(row) == ("parked", 0)


async def test_a_poison_in_an_idle_hour_parks_its_key_only(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}), partitions=1)
    await say(runtime, said(number=7))
    await relay_all(runtime)
    await hear_all(runtime)

    assert len(await parked(runtime)) == 1
    assert (await machinery_status(runtime))["consumer"] == "ok"


async def test_a_body_that_does_not_fit_its_contract_parks_its_key(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    ill = new_id()
    await say(runtime, said(ill, 1), said(number=2))
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE outbox SET body = '{}' WHERE key = $1", ill)
    await relay_all(runtime)
    await hear_all(runtime)

    assert await numbers_heard(runtime) == [2]
    [row] = await fetch(runtime, "SELECT key, error FROM parked")
    assert row["key"] == ill
    assert row["error"].startswith("ValidationError: Object missing required field")


async def test_a_write_that_a_handler_was_refused_is_noted_for_readiness(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime = await make_echo(failing_on(poisons, lambda: asyncpg.DiskFullError("no space left")))
    await say(runtime, said(number=7))
    await relay_all(runtime)
    with pytest.raises(asyncpg.DiskFullError):
        await hear_all(runtime)

    assert runtime.db.why_no_writes() == "the disk is full"


async def test_the_databases_fault_is_tried_again_whole_and_parks_nothing(make_echo: MakeEcho) -> None:
    faults: list[Exception] = [
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.ReadOnlySQLTransactionError("read-only"),
        asyncpg.UndefinedColumnError("missing column"),
        ConnectionResetError("gone"),
        Unavailable("a service we need"),
    ]
    expected = len(faults)

    async def fail_for_now(_tx: AsyncSession, _batch: Sequence[Received[Said]]) -> None:
        if faults:
            raise faults.pop()

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.state(Said, batch=True)(fail_for_now)
    runtime = await make_echo(consumer, partitions=1)
    person = new_id()
    await say(runtime, *(said(person, number) for number in range(5)))
    await relay_all(runtime)
    failures = 0
    async with listening_inbox(runtime) as inbox:
        while await numbers_heard(runtime) == []:
            try:
                await inbox.turn()
            except (asyncpg.PostgresError, ConnectionResetError, Unavailable):
                failures += 1

    assert failures == expected
    assert await numbers_heard(runtime, person) == [0, 1, 2, 3, 4]
    assert await parked(runtime) == []


class Killed(BaseException):
    """The end of the process, as far as a test can have it."""


async def test_an_event_that_kills_the_process_is_found_parked_and_tried_in_the_drain(make_echo: MakeEcho) -> None:
    async def kill(_tx: AsyncSession, received: Received[Said]) -> None:
        if received.event.number == 7:
            raise Killed

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.own(Said)(kill)
    runtime = await make_echo(consumer, partitions=1)
    await say(runtime, *(said(number=number) for number in range(12)))
    await relay_all(runtime)
    deaths = 0
    while await numbers_heard(runtime) != [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]:
        try:
            await hear_all(runtime)
        except Killed:
            deaths += 1

    assert deaths == DEATHS + 1
    [row] = await fetch(runtime, "SELECT state, error FROM parked")
    assert row["error"] == "It ended the process, or hung it, when it was tried alone."
    with pytest.raises(Killed):
        await drain(runtime)
    [row] = await fetch(runtime, "SELECT attempts FROM parked")
    assert row["attempts"] == 1


async def test_an_attempt_that_ended_in_an_error_is_not_counted_as_a_death(make_echo: MakeEcho) -> None:
    async def refuse(_tx: AsyncSession, _received: Received[Said]) -> None:
        raise ConnectionResetError

    consumer = Consumer("echo")
    consumer.own(Said)(refuse)
    runtime = await make_echo(consumer, partitions=1)
    await say(runtime, said())
    await relay_all(runtime)
    async with listening_inbox(runtime) as inbox:
        for _ in range(20):
            try:
                await inbox.turn()
            except ConnectionResetError:
                continue

    rows = await fetch(runtime, "SELECT attempts, careful_until FROM inbox WHERE topic = $1", FACTS)
    assert [tuple(row) for row in rows] == [(1, 0)]


async def test_the_drain_holds_the_partition_so_that_nothing_overtakes_a_parked_key(make_echo: MakeEcho) -> None:
    overtaking: list[int] = []
    poisons = {7}

    async def look(tx: AsyncSession, _received: Received[Said]) -> None:
        if poisons:
            return
        async with runtime.db.connection() as other:
            free = await other.fetch("SELECT partition FROM inbox WHERE topic = $1 FOR UPDATE SKIP LOCKED", FACTS)
        overtaking.extend(row["partition"] for row in free)
        await driver(tx).execute("SELECT 1")

    consumer = failing_on(poisons)
    consumer.own(Said)(look)
    runtime = await make_echo(consumer)
    ill = new_id()
    await say(runtime, said(ill, 7), *(said() for _ in range(20)))
    await relay_all(runtime)
    await hear_all(runtime)
    poisons.clear()
    await drain(runtime)

    assert sorted(overtaking) == [each for each in range(3) if each != partition_of(ill, 3)]


async def test_a_batch_is_handled_in_one_transaction(make_echo: MakeEcho) -> None:
    transactions: set[int] = set()

    async def note(tx: AsyncSession, _received: Received[Said]) -> None:
        transactions.add(await driver(tx).fetchval("SELECT pg_current_xact_id()::text::bigint"))

    consumer = Consumer("echo")
    consumer.own(Said)(note)
    runtime = await make_echo(consumer, partitions=1)
    await say(runtime, *(said() for _ in range(50)))
    await relay_all(runtime)
    await Inbox(runtime).start([TopicPartition(FACTS, 0)])
    records = await log_of(runtime, FACTS)

    assert await apply_partition(runtime, TopicPartition(FACTS, 0), records, expected=records[0].offset) == 50
    assert len(transactions) == 1
