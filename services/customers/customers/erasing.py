"""Erasing a person: what is personal goes, what they bought stays as facts under an id that means nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.people.identity import ids_of, lock_identities, remember_erased, resolve_many
from shared import outbox
from shared.contracts import Received
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerErased
from shared.db import driver
from shared.outbox.erasure import forget_people

FORGET: Final = (
    "DELETE FROM phone_numbers WHERE person_id = ANY($1::uuid[])",
    "DELETE FROM external_ids WHERE person_id = ANY($1::uuid[])",
    "DELETE FROM classifications WHERE person_id = ANY($1::uuid[])",
    "UPDATE tickets SET subject = NULL, text = NULL WHERE person_id = ANY($1::uuid[])",
    """
    UPDATE ticket_answers SET text = NULL
    FROM tickets WHERE tickets.id = ticket_answers.ticket_id AND tickets.person_id = ANY($1::uuid[])
    """,
)


async def erase_people(tx: AsyncSession, person_ids: Iterable[UUID], *, at: datetime) -> None:
    """Erase people under all ids that mean them; to erase one who is erased changes nothing."""
    connection = driver(tx)
    await lock_identities(connection)
    people, _ = await resolve_many(connection, set(person_ids))
    for person_id in sorted(set(people.values())):
        await _erase(tx, connection, person_id, at)


async def erase_again(tx: AsyncSession, received: Received[CustomerErased]) -> None:
    """Erase whom a database restored from an older copy does not know to be erased; the log says so already."""
    event, connection = received.event, driver(tx)
    await lock_identities(connection)
    ids = [event.person_id, *event.alias_ids]
    await connection.execute("DELETE FROM customers WHERE id = ANY($1::uuid[])", ids)
    await _forget(tx, connection, ids, event.occurred_at)
    outbox.add_card(tx, CUSTOMERS_CONTACTS, *ids)


async def _erase(tx: AsyncSession, connection: asyncpg.Connection, person_id: UUID, at: datetime) -> None:
    ids = await ids_of(connection, person_id)
    was_customer = await connection.fetchval("DELETE FROM customers WHERE id = $1 RETURNING true", person_id)
    await _forget(tx, connection, ids, at)
    if was_customer:
        outbox.add(tx, CustomerErased(person_id=person_id, alias_ids=tuple(ids[1:]), occurred_at=at))
        outbox.add_card(tx, CUSTOMERS_CONTACTS, *ids)


async def _forget(tx: AsyncSession, connection: asyncpg.Connection, ids: Sequence[UUID], at: datetime) -> None:
    for statement in FORGET:
        await connection.execute(statement, list(ids))
    await remember_erased(connection, ids, at=at)
    await forget_people(tx, ids)
