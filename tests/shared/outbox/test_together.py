"""Several partitions in one transaction: cheaper, and as exact as each by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.customers import CustomerErased
from shared.db import driver
from shared.errors import Conflict, Unavailable
from shared.ids import new_id
from shared.outbox import together
from shared.outbox.batches import DEATHS
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.outbox.together import LONG
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import (
    FACTS,
    TOPICS,
    Refusing,
    Said,
    echo,
    fetch,
    hear,
    listening,
    name,
    numbers_heard,
    said,
    say,
)
from tests.shared.outbox.machinery import hear_all, hear_by, listening_inbox, log_of, relay_all

SOME = 60
ILL = 1_000_000
MakeEcho = Callable[[Consumer], Awaitable[Runtime]]


@pytest.fixture
def make_echo(make_runtime: MakeRuntime) -> MakeEcho:
    """Lend a function that opens the echo service on a local bus, which gives all partitions at once."""

    async def make(consumer: Consumer) -> Runtime:
        runtime = await make_runtime(echo(consumer), partitions=3)
        await runtime.bus.create_topics(TOPICS, partitions=3)
        return runtime

    return make


async def transactions_of(runtime: Runtime) -> int:
    """Return in how many transactions what was heard was stored."""
    [row] = await fetch(runtime, "SELECT count(DISTINCT xmin::text) AS transactions FROM state.heard")
    return int(row["transactions"])


async def partitions_moved(runtime: Runtime) -> int:
    [row] = await fetch(runtime, "SELECT count(*) AS moved FROM inbox WHERE position > 0")
    return int(row["moved"])


async def say_and_send(runtime: Runtime, *numbers: int) -> None:
    """Say numbers, each of a person of its own, so that they are on all partitions."""
    await say(runtime, *(said(new_id(), number) for number in numbers))
    await relay_all(runtime)


async def test_what_comes_on_several_partitions_at_once_is_one_transaction(make_echo: MakeEcho) -> None:
    runtime = await make_echo(listening())
    await hear_all(runtime)
    await say_and_send(runtime, *range(SOME))
    await hear_all(runtime)

    assert sorted(await numbers_heard(runtime)) == [*range(SOME)]
    assert await partitions_moved(runtime) > 1
    assert await transactions_of(runtime) == 1


async def test_much_of_what_comes_at_once_is_shared_by_two_transactions(make_echo: MakeEcho) -> None:
    runtime = await make_echo(listening())
    await hear_all(runtime)
    await say_and_send(runtime, *range(LONG))
    await hear_all(runtime)

    assert sorted(await numbers_heard(runtime)) == [*range(LONG)]
    assert await transactions_of(runtime) == 2


async def test_what_another_has_handled_meanwhile_is_dropped(make_echo: MakeEcho) -> None:
    runtime = await make_echo(listening())
    await hear_all(runtime)
    await say_and_send(runtime, *range(SOME))
    fetched: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
    for record in await log_of(runtime, FACTS):
        fetched[TopicPartition(record.topic, record.partition)].append(record)
    stood = {place: records[0].offset for place, records in fetched.items()}
    await hear_all(runtime)

    assert await together._stored(runtime, fetched, stood) == []
    assert sorted(await numbers_heard(runtime)) == [*range(SOME)]


async def test_a_fault_of_the_database_in_one_of_two_transactions_undoes_nothing_of_the_other(
    make_echo: MakeEcho,
) -> None:
    refused: list[bool] = []

    async def refuse_once(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        await hear(tx, batch)
        if not refused and any(each.event.number == ILL for each in batch):
            refused.append(True)
            raise Unavailable("Not now.")

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(refuse_once)
    runtime = await make_echo(consumer)
    await hear_all(runtime)
    await say_and_send(runtime, *range(LONG), ILL)
    async with listening_inbox(runtime) as inbox:
        with pytest.raises(Unavailable):
            await hear_by(inbox)
        stored = await numbers_heard(runtime)
        await hear_by(inbox)

    assert 0 < len(stored) < LONG
    assert ILL not in stored
    assert sorted(await numbers_heard(runtime)) == [*range(LONG), ILL]


class Death(BaseException):
    """The end of the process, as far as a test can have it."""


async def test_a_death_over_several_partitions_is_blamed_on_the_event_that_causes_it_alone(
    make_echo: MakeEcho,
) -> None:
    async def die(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        await hear(tx, batch)
        if any(each.event.number == ILL for each in batch):
            raise Death

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(die)
    runtime = await make_echo(consumer)
    await hear_all(runtime)
    await say_and_send(runtime, *range(SOME), ILL, *range(SOME, 2 * SOME))
    for _ in range(DEATHS + 1):
        with pytest.raises(Death):
            await hear_all(runtime)
    await hear_all(runtime)

    [left] = await fetch(runtime, "SELECT convert_from(body, 'UTF8')::json->>'number' AS number FROM parked")
    assert left["number"] == str(ILL)
    assert sorted(await numbers_heard(runtime)) == [*range(2 * SOME)]


async def test_an_attempt_together_that_an_event_fails_counts_as_no_death(make_echo: MakeEcho) -> None:
    attempts: list[int] = []

    async def refuse(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        attempts.append(await driver(tx).fetchval("SELECT max(attempts) FROM inbox"))
        if any(each.event.number == ILL for each in batch):
            raise Conflict("Never.")
        await hear(tx, batch)

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(refuse)
    runtime = await make_echo(consumer)
    await hear_all(runtime)
    await say_and_send(runtime, *range(SOME), ILL)
    await hear_all(runtime)

    assert sorted(await numbers_heard(runtime)) == [*range(SOME)]
    assert set(attempts) == {1}


async def test_an_erasure_reaches_the_cards_that_come_with_it_and_stay_behind_one_that_failed(
    make_echo: MakeEcho,
) -> None:
    async def erase(tx: AsyncSession, batch: Sequence[Received[CustomerErased]]) -> None:
        pass

    refusing = Refusing()
    consumer = refusing.consumer()
    consumer.own(CustomerErased, batch=True)(erase)
    runtime = await make_echo(consumer)
    await runtime.bus.create_topics({CustomerErased.topic: False}, partitions=3)
    person, alias = new_id(), new_id()
    await name_and_send(runtime, {person: "سارا", alias: "سارا"})
    await hear_all(runtime)
    refusing.refuses = False
    await name_and_send(runtime, {person: None, alias: "نازنین"})
    await say(runtime, CustomerErased(person_id=person, alias_ids=(alias,), occurred_at=utcnow()))
    await relay_all(runtime)
    await hear_all(runtime)

    left = await fetch(runtime, "SELECT key, body, behind FROM parked")
    assert [tuple(row) for row in left] == [(person, None, False)]
    await drain(runtime)
    copies = await fetch(runtime, "SELECT key, first_name FROM state.copies")
    assert [tuple(row) for row in copies] == [(person, None)]


async def name_and_send(runtime: Runtime, names: Mapping[UUID, str | None]) -> None:
    """Send people's cards as they then are: the relay reads them when it sends."""
    for person_id, first_name in names.items():
        await name(runtime, person_id, first_name)
    await relay_all(runtime)
