"""A small service that hears what it says: each kind of handler, contact cards, and state that can be rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Column, Identity, Table, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncSession

from shared import outbox
from shared.clock import utcnow
from shared.contracts import Event, Received
from shared.contracts.cards import ContactCard, ReceivedCard
from shared.db import driver, new_metadata
from shared.errors import Conflict
from shared.ids import new_id
from shared.outbox.consumer import Consumer
from shared.outbox.tables import declare
from shared.service import Runtime, Service
from shared.settings import ServiceSettings

FACTS, CONTACTS = "echo.events.v1", "echo.contacts.v1"
TOPICS = {FACTS: False, CONTACTS: True}


class Said(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "echo.said"
    topic: ClassVar[str] = FACTS

    person_id: UUID
    number: int = 0
    padding: str = ""


class Answered(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "echo.answered"
    topic: ClassVar[str] = FACTS

    person_id: UUID


class Unheard(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "echo.unheard"
    topic: ClassVar[str] = FACTS

    person_id: UUID


metadata = new_metadata()
declare(metadata)
Table("people", metadata, Column("id", Uuid, primary_key=True), Column("first_name", Text, nullable=False))
Table(
    "opened",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("key", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
)
Table("reached", metadata, Column("event_id", Uuid, nullable=False))
Table(
    "heard",
    metadata,
    Column("place", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("key", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    schema="state",
)
Table(
    "copies",
    metadata,
    Column("key", Uuid, primary_key=True),
    Column("first_name", Text),
    Column("version", BigInteger, nullable=False),
    schema="state",
)


async def hear(tx: AsyncSession, batch: Sequence[Received[Said]]) -> None:
    """Keep what was said, in the order heard; a redelivery that got this far would be kept a second time."""
    await driver(tx).executemany(
        "INSERT INTO heard (event_id, key, version, number) VALUES ($1, $2, $3, $4)",
        [(said.id, said.key, said.version, said.event.number) for said in batch],
    )


async def copy_cards(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
    await driver(tx).executemany(
        """
        INSERT INTO copies VALUES ($1, $2, $3) ON CONFLICT (key)
        DO UPDATE SET first_name = excluded.first_name, version = excluded.version
        WHERE copies.version < excluded.version
        """,
        [(card.key, card.card.first_name if card.card else None, card.version) for card in cards],
    )


class Refusing:
    """A handler of cards that refuses all of them while it `refuses`, and then copies them."""

    def __init__(self) -> None:
        self.refuses = True

    async def copy(self, tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
        if self.refuses:
            raise Conflict("Not now.")
        await copy_cards(tx, cards)

    def consumer(self) -> Consumer:
        consumer = Consumer("echo")
        consumer.cards(CONTACTS)(self.copy)
        return consumer


async def open_one(tx: AsyncSession, said: Received[Said]) -> None:
    await driver(tx).execute("INSERT INTO opened VALUES ($1, $2, $3)", said.id, said.key, said.event.number)
    outbox.add(tx, Answered(person_id=said.event.person_id, occurred_at=said.event.occurred_at))


async def reach(tx: AsyncSession, said: Received[Said]) -> None:
    await driver(tx).execute("INSERT INTO reached VALUES ($1)", said.id)


def listening() -> Consumer:
    """Return a consumer that keeps what was said and the contact cards."""
    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.cards(CONTACTS)(copy_cards)
    return consumer


async def read_cards(connection: asyncpg.Connection, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    rows = await connection.fetch("SELECT id, first_name FROM people WHERE id = ANY($1::uuid[])", list(ids))
    return {
        row["id"]: msgspec.json.encode(ContactCard(person_id=row["id"], kind="lead", first_name=row["first_name"]))
        for row in rows
    }


def echo(consumer: Consumer | None = None) -> Service:
    """Return the service, hearing by `consumer`."""
    return Service(
        name="echo",
        title="Echo",
        description="Hears what it says.",
        settings=ServiceSettings,
        metadata=metadata,
        migrations=Path(__file__).parent / "migrations",
        routers=tuple,
        consumer=consumer or listening(),
        card_readers={CONTACTS: read_cards},
    )


def said(person_id: UUID | None = None, number: int = 0, at: datetime | None = None, padding: str = "") -> Said:
    return Said(person_id=person_id or new_id(), number=number, occurred_at=at or utcnow(), padding=padding)


async def say(runtime: Runtime, *events: Event) -> None:
    """Publish events in one transaction."""
    async with runtime.db.transaction() as tx:
        outbox.add(tx, *events)


async def name(runtime: Runtime, person_id: UUID, first_name: str | None) -> None:
    """Give a person a name, or erase them, and publish that their card changed."""
    async with runtime.db.transaction() as tx:
        await driver(tx).execute("DELETE FROM people WHERE id = $1", person_id)
        if first_name is not None:
            await driver(tx).execute("INSERT INTO people VALUES ($1, $2)", person_id, first_name)
        outbox.add_card(tx, CONTACTS, person_id)


async def fetch(runtime: Runtime, sql: str, *arguments: object) -> list[asyncpg.Record]:
    async with runtime.db.connection() as connection:
        return list(await connection.fetch(sql, *arguments))


async def numbers_heard(runtime: Runtime, key: UUID | None = None) -> list[int]:
    """Return the numbers heard, in the order heard."""
    rows = await fetch(
        runtime, "SELECT number FROM state.heard WHERE $1::uuid IN (key) OR $1 IS NULL ORDER BY place", key
    )
    return [row["number"] for row in rows]
