"""A consumer whose database was restored: everything is handled again, but nobody is reached twice."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.customers import CustomerErased
from shared.db import driver
from shared.errors import Conflict
from shared.ids import new_id
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS, Said, fetch, hear, numbers_heard, open_one, reach, said, say
from tests.shared.outbox.machinery import hear_all, listening_inbox, relay_all


def reaching() -> Consumer:
    """Return a consumer that has a handler of each kind."""
    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.own(Said)(open_one)
    consumer.effect(Said)(reach)
    return consumer


async def publish(runtime: Runtime, *numbers: int) -> None:
    await say(runtime, *(said(number=number) for number in numbers))
    await relay_all(runtime)


async def restore(runtime: Runtime) -> None:
    """Put what the consumer stored back to before it had read anything; the relay's part is as it was."""
    async with runtime.db.connection() as connection:
        await connection.execute("TRUNCATE inbox, parked, skipped_effects, heard, opened, reached")


async def effects(runtime: Runtime) -> tuple[int, dict[str, int]]:
    """Return how many effects there were, and how many were skipped by reason."""
    [(reached,)] = await fetch(runtime, "SELECT count(*) FROM reached")
    skipped = await fetch(runtime, "SELECT reason, count(*) FROM skipped_effects GROUP BY reason")
    return reached, {reason: count for reason, count in skipped}  # noqa: C416


async def test_up_to_what_was_committed_effects_are_skipped_and_all_else_is_done_again(make_echo: MakeEcho) -> None:
    runtime = await make_echo(reaching())
    await publish(runtime, *range(20))
    await hear_all(runtime)
    made = {row["id"] for row in await fetch(runtime, "SELECT id FROM outbox")}
    await restore(runtime)
    await fetch(runtime, "DELETE FROM outbox")
    await publish(runtime, *range(20, 25))
    await hear_all(runtime)

    assert sorted(await numbers_heard(runtime)) == list(range(25))
    [(opened,)] = await fetch(runtime, "SELECT count(*) FROM opened")
    assert opened == 25
    assert await effects(runtime) == (5, {"restored": 20})
    assert made <= {row["id"] for row in await fetch(runtime, "SELECT id FROM outbox")}


async def test_a_copy_that_is_restored_twice_reaches_nobody_twice(make_echo: MakeEcho) -> None:
    runtime = await make_echo(reaching(), partitions=1)
    await publish(runtime, *range(250))
    await hear_all(runtime)
    await restore(runtime)
    async with listening_inbox(runtime) as inbox:
        inbox.batch = 10
        while not await inbox.turn():
            pass
    heard = len(await numbers_heard(runtime))
    await restore(runtime)
    await hear_all(runtime)

    assert 0 < heard < 250
    assert len(await numbers_heard(runtime)) == 250
    assert await effects(runtime) == (0, {"restored": 250})


async def test_a_restart_in_the_midst_of_catching_up_still_skips(make_echo: MakeEcho) -> None:
    runtime = await make_echo(reaching(), partitions=1)
    await publish(runtime, *range(250))
    await hear_all(runtime)
    await restore(runtime)
    async with listening_inbox(runtime) as inbox:
        inbox.batch = 10
        while not await inbox.turn():
            pass
    await hear_all(runtime)

    assert await effects(runtime) == (0, {"restored": 250})


async def test_what_is_parked_while_catching_up_reaches_nobody_when_it_is_drained(make_echo: MakeEcho) -> None:
    refusing: set[int] = set()

    async def refuse(_tx: AsyncSession, received: Received[Said]) -> None:
        if received.event.number in refusing:
            raise Conflict("Not now.")

    consumer = reaching()
    consumer.own(Said)(refuse)
    runtime = await make_echo(consumer)
    await publish(runtime, 1, 2)
    await hear_all(runtime)
    await restore(runtime)
    refusing.add(2)
    await hear_all(runtime)
    refusing.clear()
    await drain(runtime)

    assert sorted(await numbers_heard(runtime)) == [1, 2]
    assert await effects(runtime) == (0, {"restored": 2})


async def test_a_consumer_that_was_not_restored_skips_nothing(make_echo: MakeEcho) -> None:
    runtime = await make_echo(reaching())
    for number in range(3):
        await publish(runtime, number)
        await hear_all(runtime)

    assert await effects(runtime) == (3, {})
    rows = await fetch(runtime, "SELECT restored_until FROM inbox WHERE topic = $1", FACTS)
    assert {row["restored_until"] for row in rows} == {0}


async def test_erasures_are_applied_again_as_they_are_read_again(make_echo: MakeEcho) -> None:
    person = new_id()

    async def keep(tx: AsyncSession, received: Received[Said]) -> None:
        await driver(tx).execute("INSERT INTO people VALUES ($1, 'سارا')", received.key)

    async def erase(tx: AsyncSession, received: Received[CustomerErased]) -> None:
        await driver(tx).execute("DELETE FROM people WHERE id = $1", received.key)

    consumer = Consumer("echo")
    consumer.own(Said)(keep)
    consumer.own(CustomerErased)(erase)
    runtime = await make_echo(consumer)
    await runtime.bus.create_topics({CustomerErased.topic: False}, partitions=3)
    await say(runtime, said(person))
    await relay_all(runtime)
    await hear_all(runtime)
    copy = await fetch(runtime, "SELECT * FROM inbox")
    await say(runtime, CustomerErased(person_id=person, occurred_at=utcnow()))
    await relay_all(runtime)
    await hear_all(runtime)
    await fetch(runtime, "INSERT INTO people VALUES ($1, 'سارا')", person)
    for row in copy:
        await fetch(
            runtime,
            "UPDATE inbox SET next_offset = $1, position = $2 WHERE topic = $3 AND partition = $4",
            row["next_offset"], row["position"], row["topic"], row["partition"],
        )  # fmt: skip
    await hear_all(runtime)

    assert await fetch(runtime, "SELECT FROM people") == []
