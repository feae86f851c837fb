"""Erasing reaches what the machinery keeps: parked cards and stored answers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record
from shared.clock import utcnow
from shared.contracts.cards import ReceivedCard
from shared.contracts.customers import CustomerErased
from shared.errors import Conflict
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.outbox.handling import apply_batch
from shared.outbox.writing import encode
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import CONTACTS, copy_cards, fetch, name
from tests.shared.outbox.machinery import hear_all, relay_all


async def test_an_erased_persons_parked_card_and_stored_answers_go_and_the_tombstone_stays(
    make_echo: MakeEcho,
) -> None:
    refusing = [True]

    async def copy(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
        if refusing:
            raise Conflict("Not now.")
        await copy_cards(tx, cards)

    consumer = Consumer("echo")
    consumer.cards(CONTACTS)(copy)
    runtime = await make_echo(consumer)
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
    event = CustomerErased(person_id=person, alias_ids=(alias,), occurred_at=utcnow())
    async with runtime.db.transaction() as tx:
        await apply_batch(tx, runtime, [record_of(event)])

    rows = await fetch(runtime, "SELECT key, body IS NULL AS tombstone FROM parked")
    assert {tuple(row) for row in rows} == {(person, True), (other, False)}
    answers = await fetch(runtime, "SELECT person_id FROM idempotency_keys WHERE body IS NULL")
    assert [row["person_id"] for row in answers] == [person]
    refusing.clear()
    await drain(runtime)
    copies = await fetch(runtime, "SELECT key, first_name FROM state.copies")
    assert {tuple(row) for row in copies} == {(person, None), (other, "نازنین")}


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
