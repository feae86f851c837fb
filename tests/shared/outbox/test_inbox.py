"""The inbox: exactly once in effect, in order, whatever is delivered twice, late or from the wrong place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared import outbox
from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.cards import ReceivedCard
from shared.db import driver
from shared.ids import derived_id, new_id
from shared.outbox.batches import Batch, Moved, apply_partition
from shared.outbox.consumer import Consumer, Kind
from shared.outbox.handling import apply_batch
from shared.outbox.inbox import Inbox
from shared.outbox.relay import Relay
from shared.outbox.status import machinery_status
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import (
    CONTACTS,
    FACTS,
    Answered,
    Said,
    Unheard,
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
from tests.shared.outbox.machinery import caught_up, hear_all, hear_by, listening_inbox, log_of, relay_all


async def test_a_fact_delivered_again_is_heard_once(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    await say(runtime, *(said(person, number) for number in range(3)))
    await relay_all(runtime)
    await runtime.bus.send(await log_of(runtime, FACTS))
    await hear_all(runtime)
    await runtime.bus.send(await log_of(runtime, FACTS))
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == [0, 1, 2]


async def test_a_late_double_of_an_older_card_does_not_win(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    await name(runtime, person, "سارا")
    await relay_all(runtime)
    older = await log_of(runtime, CONTACTS)
    await name(runtime, person, "نازنین")
    await relay_all(runtime)
    await hear_all(runtime)
    await runtime.bus.send(older)
    await hear_all(runtime)

    rows = await fetch(runtime, "SELECT first_name FROM state.copies")
    assert [row["first_name"] for row in rows] == ["نازنین"]


async def test_of_cards_in_one_batch_handlers_get_the_newest_only(make_echo: MakeEcho) -> None:
    seen: list[ReceivedCard] = []

    async def see(_tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
        seen.extend(cards)

    consumer = Consumer("echo")
    consumer.cards(CONTACTS)(see)
    runtime = await make_echo(consumer)
    person = new_id()
    for first_name in ("سارا", "نازنین", None):
        await name(runtime, person, first_name)
    [*_, newest] = await fetch(runtime, "SELECT seq FROM outbox ORDER BY seq")
    batch = await Relay(runtime).take()
    assert batch is not None
    for records in (batch.records, batch.records[::-1]):
        async with runtime.db.transaction() as tx:
            await apply_batch(tx, runtime, records)

    assert [(card.key, card.card, card.version) for card in seen] == [(person, None, newest["seq"])] * 2


class Crash(BaseException):
    """The end of the process, as far as a test can have it."""


async def test_a_worker_that_died_before_its_commit_leaves_nothing_and_the_next_does_it_all(
    make_echo: MakeEcho,
) -> None:
    died: list[bool] = []

    async def die_once(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        await hear(tx, batch)
        if not died:
            died.append(True)
            raise Crash

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(die_once)
    consumer.effect(Said)(reach)
    runtime = await make_echo(consumer)
    person = new_id()
    await say(runtime, said(person, 1), said(person, 2))
    await relay_all(runtime)
    with pytest.raises(Crash):
        await hear_all(runtime)
    assert await numbers_heard(runtime) == []
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == [1, 2]
    assert len(await fetch(runtime, "SELECT FROM reached")) == 2


async def test_a_worker_that_died_after_its_commit_is_followed_by_one_that_begins_behind_it(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_echo()
    person = new_id()
    await say(runtime, said(person, 1))
    await relay_all(runtime)
    async with listening_inbox(runtime) as inbox:
        subscription = await inbox._subscribed()

        async def die(_offsets: object) -> None:
            raise Crash

        monkeypatch.setattr(subscription, "commit", die)
        with pytest.raises(Crash):
            await hear_by(inbox)
    await say(runtime, said(person, 2))
    await relay_all(runtime)
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == [1, 2]


async def test_one_that_lost_its_partition_drops_its_batch(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await say(runtime, said(number=1), said(number=2))
    await relay_all(runtime)
    records = await log_of(runtime, FACTS)
    await Inbox(runtime).start([TopicPartition(FACTS, 0)])
    first = records[0].offset
    await apply_partition(runtime, TopicPartition(FACTS, 0), records, expected=first)

    with pytest.raises(Moved) as moved:
        await apply_partition(runtime, TopicPartition(FACTS, 0), records, expected=first)
    assert moved.value.next_offset == records[-1].offset + 1
    with pytest.raises(Moved):  # also where it moved between the look and the lock
        await Batch(runtime, TopicPartition(FACTS, 0), records).store(first)
    assert await numbers_heard(runtime) == [1, 2]


async def test_two_workers_share_the_partitions_and_hear_everything_once(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=4)
    events = [said(number=number) for number in range(40)]
    async with listening_inbox(runtime) as first, listening_inbox(runtime) as second:
        for batch in range(4):
            await say(runtime, *events[batch * 10 : batch * 10 + 10])
            await relay_all(runtime)
            await first.turn()
            await second.turn()
        async with asyncio.timeout(60):
            while not await caught_up(runtime):
                await first.turn()
                await second.turn()

    assert sorted(await numbers_heard(runtime)) == list(range(40))


async def test_a_gap_in_positions_stops_its_partition_red_and_no_other(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=2)
    await say(runtime, *(said(number=number) for number in range(20)))
    batch = await Relay(runtime).take()
    assert batch is not None
    lost = next(each for each in batch.records if each.partition == 0 and each.headers["position"] == "3")
    await runtime.bus.send([record for record in batch.records if record is not lost])
    await hear_all(runtime)

    heard = {row["key"] for row in await fetch(runtime, "SELECT key FROM state.heard")}
    before_gap = [each for each in batch.records if each.partition == 1 or int(each.headers["position"]) < 3]
    assert heard == {each.key for each in before_gap}
    status = await machinery_status(runtime)
    assert status["consumer"].startswith(f"{FACTS}/0 stands still: Positions 3 to 3 are missing")
    assert FACTS + "/1" not in status["consumer"]


async def test_a_gap_that_is_filled_lets_the_partition_go_on(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await say(runtime, *(said(number=number) for number in range(3)))
    batch = await Relay(runtime).take()
    assert batch is not None
    first, second, third = batch.records
    await runtime.bus.send([first, third])
    await hear_all(runtime)
    assert await numbers_heard(runtime) == [0]
    await runtime.bus.send([second, third])
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE inbox SET next_offset = next_offset + 1 WHERE topic = $1", FACTS)
    await hear_all(runtime)

    assert await numbers_heard(runtime) == [0, 1, 2]

    assert (await machinery_status(runtime))["consumer"] == "ok"


async def test_an_offset_that_the_log_does_not_hold_stops_the_partition_red(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await say(runtime, said())
    await relay_all(runtime)
    await hear_all(runtime)
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE inbox SET next_offset = 1000 WHERE topic = $1", FACTS)
    async with listening_inbox(runtime) as inbox:
        await hear_by(inbox)

    said_of_it = (await machinery_status(runtime))["consumer"]
    assert said_of_it.startswith(f"{FACTS}/0 stands still: The log does not hold offset 1000:")


async def test_types_that_nobody_listens_to_are_passed_over_undecoded(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await say(runtime, Unheard(person_id=new_id(), occurred_at=utcnow()), said(number=1))
    batch = await Relay(runtime).take()
    assert batch is not None
    await runtime.bus.send([replace(batch.records[0], body=b"not JSON"), batch.records[1]])
    await hear_all(runtime)

    assert await numbers_heard(runtime) == [1]
    assert await fetch(runtime, "SELECT FROM parked") == []


async def test_state_handlers_run_before_own_and_own_before_effect(make_echo: MakeEcho) -> None:
    order: list[str] = []
    consumer = Consumer("echo")

    def note(kind: str) -> Any:
        async def handler(_tx: AsyncSession, _received: Received[Said]) -> None:
            order.append(kind)

        return handler

    consumer.effect(Said)(note("effect"))
    consumer.own(Said)(note("own"))
    consumer.state(Said)(note("state"))
    runtime = await make_echo(consumer)
    await say(runtime, said())
    await relay_all(runtime)
    await hear_all(runtime)

    assert order == ["state", "own", "effect"]


async def test_an_event_that_a_handler_makes_has_the_same_id_whenever_it_is_made(make_echo: MakeEcho) -> None:
    consumer = Consumer("echo")
    consumer.own(Said)(open_one)
    runtime = await make_echo(consumer)
    with_correlation = outbox.Cause(correlation_id="request 7")
    async with runtime.db.transaction() as tx:
        with outbox.caused_by(with_correlation):
            outbox.add(tx, said())
    [cause] = await fetch(runtime, "SELECT id FROM outbox")
    await relay_all(runtime)
    await hear_all(runtime)

    [made] = await fetch(runtime, "SELECT * FROM outbox WHERE type = $1", Answered.type)
    assert made["id"] == derived_id(cause["id"], "open_one", 0)
    assert made["causation_id"] == cause["id"]
    assert made["correlation_id"] == "request 7"


@pytest.mark.parametrize(("hours", "reached", "skipped"), [(23, 1, 0), (25, 0, 1)])
async def test_an_effect_over_a_day_late_is_skipped_and_recorded(
    make_echo: MakeEcho, hours: int, reached: int, skipped: int
) -> None:
    consumer = listening()
    consumer.effect(Said)(reach)
    consumer.own(Said)(open_one)
    runtime = await make_echo(consumer)
    await say(runtime, said(at=utcnow() - timedelta(hours=hours)))
    await relay_all(runtime)
    await hear_all(runtime)

    assert len(await fetch(runtime, "SELECT FROM reached")) == reached
    rows = await fetch(runtime, "SELECT handler, reason FROM skipped_effects")
    assert [tuple(row) for row in rows] == [("reach", "stale")] * skipped
    assert len(await fetch(runtime, "SELECT FROM opened")) == 1
    assert len(await numbers_heard(runtime)) == 1


async def test_a_batched_effect_sees_what_is_not_stale(make_echo: MakeEcho) -> None:
    async def reach_all(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        for each in batch:
            await reach(tx, each)

    consumer = Consumer("echo")
    consumer.effect(Said, batch=True, due_at=lambda each: each.event.occurred_at + timedelta(days=3))(reach_all)
    runtime = await make_echo(consumer)
    fresh, stale = (said(at=utcnow() - timedelta(days=days)) for days in (3, 5))
    await say(runtime, fresh, stale)
    await relay_all(runtime)
    await hear_all(runtime)

    assert len(await fetch(runtime, "SELECT FROM reached")) == 1
    assert len(await fetch(runtime, "SELECT FROM skipped_effects")) == 1


async def test_a_fact_that_comes_before_its_card_finds_it_later(make_echo: MakeEcho) -> None:
    async def stub(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
        await driver(tx).executemany(
            "INSERT INTO copies VALUES ($1, NULL, 0) ON CONFLICT DO NOTHING", [(each.key,) for each in batch]
        )

    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(stub)
    consumer.cards(CONTACTS)(copy_cards)
    runtime = await make_echo(consumer)
    person = new_id()
    await say(runtime, said(person))
    await relay_all(runtime)
    await hear_all(runtime)
    assert [tuple(row) for row in await fetch(runtime, "SELECT first_name, version FROM state.copies")] == [(None, 0)]
    await name(runtime, person, "سارا")
    await relay_all(runtime)
    await hear_all(runtime)

    rows = await fetch(runtime, "SELECT key, first_name FROM state.copies")
    assert [tuple(row) for row in rows] == [(person, "سارا")]


async def test_a_new_consumer_begins_at_the_first_record_whatever_its_position(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await say(runtime, said(number=1), said(number=2))
    batch = await Relay(runtime).take()
    assert batch is not None
    await runtime.bus.send(batch.records[1:])
    await hear_all(runtime)

    assert await numbers_heard(runtime) == [2]


async def test_batches_shrink_while_handling_is_slow_and_grow_while_it_is_quick(make_echo: MakeEcho) -> None:
    inbox = Inbox(await make_echo())
    sizes = []
    for handled, took_s in ((500, 0.1), (1_000, 0.1), (10, 0.1), (2_000, 6.0), (1_000, 2.0), (1_000, 60.0)):
        inbox._adapt(handled, took_s)
        sizes.append(inbox.batch)

    assert sizes == [1_000, 2_000, 2_000, 1_000, 1_000, 500]
    for _ in range(20):
        inbox._adapt(inbox.batch, 60.0)
    assert inbox.batch == 50
    for _ in range(20):
        inbox._adapt(inbox.batch, 0.1)
    assert inbox.batch == 5_000


async def test_handlers_of_one_kind_alone_can_be_run(make_echo: MakeEcho) -> None:
    consumer = listening()
    consumer.own(Said)(open_one)
    runtime = await make_echo(consumer)
    await say(runtime, said(number=1))
    batch = await Relay(runtime).take()
    assert batch is not None
    records: list[Record] = batch.records
    async with runtime.db.transaction() as tx:
        await apply_batch(tx, runtime, records, kinds=(Kind.STATE,))

    assert await numbers_heard(runtime) == [1]
    assert await fetch(runtime, "SELECT FROM opened") == []
