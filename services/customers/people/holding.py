"""Holding customers: whoever is held is neither merged nor erased before the end of the transaction."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.people.errors import CustomerNotFound, PersonErased
from services.customers.people.identity import resolve_many
from shared.db import driver

HOLD_ONE: Final = "SELECT true FROM customers WHERE id = $1 FOR KEY SHARE"
HOLD: Final = "SELECT id FROM customers WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE"


async def hold_customer(tx: AsyncSession, person_id: UUID) -> UUID:
    """Return the id that a customer has now; they stay until the end of the transaction."""
    connection = driver(tx)
    if await connection.fetchval(HOLD_ONE, person_id):
        return person_id
    held, erased = await hold_customers(connection, [person_id])
    if erased:
        raise PersonErased(person_id)
    if person_id not in held:
        raise CustomerNotFound(person_id)
    return held[person_id]


async def hold_customers(
    connection: asyncpg.Connection, person_ids: Collection[UUID]
) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Hold customers by any of their ids; return the ids they have now, and which of those asked for were erased.

    A second look finds those who were merged between the first look and the lock.
    """
    held: dict[UUID, UUID] = {}
    gone: set[UUID] = set()
    for _ in range(2):
        people, erased = await resolve_many(connection, set(person_ids) - held.keys())
        gone |= erased
        rows = await connection.fetch(HOLD, sorted(set(people.values())))
        there = {row["id"] for row in rows}
        held |= {asked: now for asked, now in people.items() if now in there and asked not in erased}
        if len(held) + len(gone) >= len(set(person_ids)):
            break
    return held, gone
