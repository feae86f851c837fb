"""Old and new code side by side: what newer code wrote waits, in order and without tries, for code that knows it."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import moved, utcnow
from shared.contracts import Event, Received, registry
from shared.db import driver
from shared.ids import new_id
from shared.outbox import deadletters
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.outbox.parking import MOST_FAILING_KEYS
from shared.outbox.rebuild import rebuild
from shared.outbox.status import machinery_status, parked_counts, waiting_for_code
from shared.service import Runtime
from shared.web.health import readiness
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS, fetch, listening, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, relay_all


class Sung(Event, frozen=True, kw_only=True):
    """A type that the next release brings."""

    type: ClassVar[str] = "echo.sung"
    topic: ClassVar[str] = FACTS

    person_id: UUID
    number: int


class Painted(Event, frozen=True, kw_only=True):
    """A type whose next release knows one more colour."""

    type: ClassVar[str] = "echo.painted"
    topic: ClassVar[str] = FACTS

    person_id: UUID
    colour: Literal["red", "green"]


class PaintedNext(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "echo.painted_next"
    topic: ClassVar[str] = FACTS

    person_id: UUID
    colour: Literal["red", "green", "blue"]
    shade: int = 0


@pytest.fixture(autouse=True)
def old_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without the contract of `echo.sung`, as the release before it did."""
    monkeypatch.delitem(registry, Sung.type)


def deploy(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    """Let the running code know `echo.sung`, and keep what was sung with what was said."""
    monkeypatch.setitem(registry, Sung.type, Sung)

    async def keep(tx: AsyncSession, sung: Received[Sung]) -> None:
        await driver(tx).execute(
            "INSERT INTO heard (event_id, key, version, number) VALUES ($1, $2, $3, $4)",
            sung.id, sung.key, sung.version, sung.event.number,
        )  # fmt: skip

    runtime.service.consumer.state(Sung)(keep)


def sung(person_id: UUID, number: int) -> Sung:
    return Sung(person_id=person_id, number=number, occurred_at=utcnow())


async def hear(runtime: Runtime, *events: Event) -> None:
    await say(runtime, *events)
    await relay_all(runtime)
    await hear_all(runtime)


async def test_an_unknown_type_waits_with_its_key_for_code_that_knows_it_and_drains_in_order(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_echo(listening())
    singer, other = new_id(), new_id()
    await hear(runtime, said(singer, 1), sung(singer, 2), said(other, 10), said(singer, 3))
    await hear(runtime, sung(singer, 4), said(singer, 5), said(other, 11))

    assert await numbers_heard(runtime, singer) == [1]
    assert await numbers_heard(runtime, other) == [10, 11]
    for _ in range(8):
        with moved(timedelta(hours=1)):
            assert await drain(runtime) == 0
    deploy(monkeypatch, runtime)
    await hear(runtime, said(singer, 6))
    assert await numbers_heard(runtime, singer) == [1]
    while await drain(runtime):
        pass

    assert await numbers_heard(runtime, singer) == [1, 2, 3, 4, 5, 6]
    assert await fetch(runtime, "SELECT FROM parked") == []


async def test_what_waits_takes_no_tries_and_never_dies(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    singer = new_id()
    await hear(runtime, sung(singer, 1), said(singer, 2), sung(singer, 3))
    for _ in range(7):
        assert await deadletters.replay(runtime.db, "echo") == 0
        await drain(runtime)

    rows = await fetch(runtime, 'SELECT state, attempts FROM parked ORDER BY "offset"')
    assert [tuple(row) for row in rows] == [("parked", 0)] * 3


async def test_however_many_keys_wait_for_newer_code_their_partition_goes_on(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await hear(runtime, *(sung(new_id(), number) for number in range(3 * MOST_FAILING_KEYS)))
    await hear(runtime, said(number=7))

    assert await numbers_heard(runtime) == [7]
    assert (await machinery_status(runtime))["consumer"] == "ok"


async def test_what_waits_is_listed_counted_and_noted_while_the_service_stays_ready(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    singer = new_id()
    await hear(runtime, sung(singer, 1), said(singer, 2))
    [row] = await deadletters.listed(runtime.db, "echo", state="unknown")
    state = await readiness(runtime)

    assert (row["type"], row["error"]) == ("echo.sung", "Waits for code that knows echo.sung.")
    assert await parked_counts(runtime.db, "echo") == {"unknown": 1, "parked": 1}
    assert state["ready"]
    assert state["parts"]["consumer"]["note"] == "Events wait for code that knows them: 1 of echo.sung."


async def test_an_unknown_type_can_be_given_up(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    singer = new_id()
    await hear(runtime, sung(singer, 1), said(singer, 2))
    [row] = await deadletters.listed(runtime.db, "echo", state="unknown")
    await deadletters.discard(runtime.db, "echo", deadletters.Place(row["topic"], row["partition"], row["offset"]))
    await drain(runtime)

    assert await numbers_heard(runtime, singer) == [2]
    assert await waiting_for_code(runtime.db, "echo") is None


async def test_a_rebuild_leaves_out_what_waits_as_the_live_consumer_did(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    singer = new_id()
    await hear(runtime, said(singer, 1), sung(singer, 2), said(singer, 3))
    await rebuild(runtime)

    assert await numbers_heard(runtime, singer) == [1]


async def test_a_code_that_an_old_contract_does_not_list_waits_as_an_unknown_type_does(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[tuple[UUID, str]] = []

    async def keep(_tx: AsyncSession, received: Received[Painted | PaintedNext]) -> None:
        painted.append((received.key, received.event.colour))

    consumer = Consumer("echo")
    consumer.own(Painted)(keep)
    runtime = await make_echo(consumer, partitions=1)
    one, other = new_id(), new_id()
    walls = [(one, "red"), (one, "blue"), (other, "green"), (one, "green")]
    await say(runtime, *(PaintedNext(person_id=who, colour=c, shade=1, occurred_at=utcnow()) for who, c in walls))  # type: ignore[arg-type]
    await fetch(runtime, "UPDATE outbox SET type = $1", Painted.type)
    await relay_all(runtime)
    await hear_all(runtime)

    assert set(painted[-2:]) == {(one, "red"), (other, "green")}
    for _ in range(7):
        assert await deadletters.replay(runtime.db, "echo") == 1
        await drain(runtime)
    [waiting] = await deadletters.listed(runtime.db, "echo", state="unknown")
    assert waiting["error"].startswith("Waits for code that knows echo.painted: Invalid enum value 'blue'")
    monkeypatch.setitem(consumer.by_type, Painted.type, PaintedNext)
    with moved(timedelta(minutes=2)):
        await drain(runtime)

    assert painted[-2:] == [(one, "blue"), (one, "green")]
    assert await fetch(runtime, "SELECT FROM parked") == []
