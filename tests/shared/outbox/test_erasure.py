"""Erasing reaches what the machinery keeps: parked cards and stored answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts.cards import ReceivedCard
from shared.contracts.customers import CustomerErased
from shared.db import driver
from shared.errors import Conflict
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.consumer import Consumer
from shared.outbox.drain import TRIES, drain
from shared.outbox.handling import apply_batch
from shared.outbox.parking import open_parking, park, wait_behind
from shared.outbox.writing import encode
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import CONTACTS, TOPICS, Refusing, copy_cards, echo, fetch, name
from tests.shared.outbox.machinery import hear_all, log_of, relay_all
from tests.support.eventually import eventually


async def test_an_erased_persons_parked_card_and_stored_answers_go_and_the_tombstone_stays(
    make_echo: MakeEcho,
) -> None:
    refusing = Refusing()
    runtime = await make_echo(refusing.consumer())
    person, alias, other = new_id(), new_id(), new_id()
    for key, first_name in ((person, "سارا"), (alias, "سارا"), (other, "نازنین"), (person, None)):
        await name(runtime, key, first_name)
        await relay_all(runtime)
        await hear_all(runtime)
    for key in (person, other):
        async with runtime.db.connection() as connection:
            await connection.execute(
                """
                INSERT INTO idempotency_keys (subject, route, key, request_hash, status, body, person_id)
                VALUES ('a', 'b', $1, '', 201, '{"name": "…"}', $2)
                """,
                str(key),
                key,
            )
    await erase(runtime, person, alias)

    rows = await fetch(runtime, "SELECT key, body IS NULL AS tombstone FROM parked")
    assert {tuple(row) for row in rows} == {(person, True), (other, False)}
    answers = await fetch(runtime, "SELECT person_id FROM idempotency_keys WHERE body IS NULL")
    assert [row["person_id"] for row in answers] == [person]
    refusing.refuses = False
    await drain(runtime)
    copies = await fetch(runtime, "SELECT key, first_name FROM state.copies")
    assert {tuple(row) for row in copies} == {(person, None), (other, "نازنین")}


async def erase(runtime: Runtime, person: UUID, *aliases: UUID) -> None:
    """Hear that somebody was erased, as a batch of another partition does."""
    async with runtime.db.transaction() as tx:
        event = CustomerErased(person_id=person, alias_ids=aliases, occurred_at=utcnow())
        await apply_batch(tx, runtime, [record_of(event)])


class Copying(Refusing):
    """A handler of cards that refuses all, then waits amid a batch until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.amid, self.ending = asyncio.Event(), asyncio.Event()

    async def copy(self, tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
        if not self.refuses:
            self.amid.set()
            await self.ending.wait()
        await super().copy(tx, cards)

    async def opened(self, make_runtime: MakeRuntime, person: UUID) -> Runtime:
        """Open the service, with a card of somebody parked and another one of theirs, and of somebody else, sent."""
        runtime = await make_runtime(echo(self.consumer()), partitions=1)
        await runtime.bus.create_topics(TOPICS, partitions=1)
        await name(runtime, person, "سارا")
        await relay_all(runtime)
        await hear_all(runtime)
        self.refuses = False
        for each in (person, new_id()):
            await name(runtime, each, "نازنین")
        await relay_all(runtime)
        return runtime


async def test_a_card_is_tried_at_once_if_what_it_waits_for_is_erased_while_it_is_parked(
    make_runtime: MakeRuntime,
) -> None:
    copying, person = Copying(), new_id()
    runtime = await copying.opened(make_runtime, person)
    hearing = asyncio.create_task(hear_all(runtime))
    await copying.amid.wait()
    await erase(runtime, person)
    copying.ending.set()
    await hearing

    assert await drain(runtime) == 1
    assert await fetch(runtime, "SELECT FROM parked") == []


async def test_an_erasure_waits_for_a_batch_that_parks_a_card_and_takes_that_away_too(
    make_runtime: MakeRuntime,
) -> None:
    person, place = new_id(), TopicPartition(CONTACTS, 0)
    runtime = await Copying().opened(make_runtime, person)
    follower = [record for record in await log_of(runtime, CONTACTS) if record.key == person][-1]
    async with runtime.db.transaction() as tx:
        parking = await open_parking(driver(tx), "echo", place, [follower])
        assert parking.leave_out([follower]) == []
        await park(driver(tx), "echo", place, parking)
        await wait_behind(driver(tx), "echo", place, parking)
        erasing = asyncio.create_task(erase(runtime, person))
        await eventually(lambda: somebody_waits(runtime))
    await erasing

    assert await fetch(runtime, "SELECT FROM parked") == []


async def test_a_card_that_failed_after_the_erasure_was_heard_goes_with_its_tombstone(
    make_runtime: MakeRuntime,
) -> None:
    async def refuse_names(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
        if any(card.card for card in cards):
            raise Conflict("Never.")
        await copy_cards(tx, cards)

    consumer = Consumer("echo")
    consumer.cards(CONTACTS)(refuse_names)
    runtime = await make_runtime(echo(consumer), partitions=1)
    await runtime.bus.create_topics(TOPICS, partitions=1)
    person, other = new_id(), new_id()
    await erase(runtime, person)
    for key, first_name in ((person, "سارا"), (other, "نازنین")):
        await name(runtime, key, first_name)
        await relay_all(runtime)
        await hear_all(runtime)
    await name(runtime, person, None)
    await relay_all(runtime)
    await hear_all(runtime)
    for _ in range(TRIES + 1):
        await drain(runtime, backoff_s=(0,))

    left = await fetch(runtime, "SELECT key, state FROM parked")
    assert [tuple(row) for row in left] == [(other, "dead")]


async def somebody_waits(runtime: Runtime) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await fetch(runtime, query))


def record_of(event: CustomerErased) -> Record:
    now = utcnow()
    row = {
        "id": new_id(),
        "topic": event.topic,
        "type": event.type,
        "key": event.key,
        "subject": event.subject,
        "occurred_at": now,
        "recorded_at": now,
        "seq": 1,
        "correlation_id": None,
        "causation_id": None,
        "traceparent": None,
    }
    return wire.record_of(row, source="/test", partition=0, position=1, body=encode(event))
