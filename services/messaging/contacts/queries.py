"""Reading people: by id, aliases followed, and by the number that they write from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import asyncpg

from services.messaging.contacts import sql
from services.messaging.contacts.cards import Card, Known, known_by_id


async def people(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> Mapping[UUID, Known]:
    """Return what is known of each id; ids that were never heard of are missing."""
    ids = list(person_ids)
    rows = await connection.fetch(sql.CARDS, ids)
    erased = await connection.fetch(sql.ERASED, ids)
    return known_by_id(((row["asked"], _card(row)) for row in rows), (row["asked"] for row in erased))


async def erased_of(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these ids mean somebody erased."""
    return {row["asked"] for row in await connection.fetch(sql.ERASED, list(person_ids))}


async def resolve(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the id that each id means now."""
    return {row["asked"]: row["person_id"] for row in await connection.fetch(sql.RESOLVE, list(person_ids))}


async def all_ids(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return every id that means one of these people, with the id that they go by now."""
    return {row["id"]: row["person_id"] for row in await connection.fetch(sql.ALL_IDS, list(person_ids))}


async def hold_by_phone(connection: asyncpg.Connection, phones: Sequence[str]) -> dict[str, list[UUID]]:
    """Return who has each number: a customers card before one of leads, nobody twice.

    They are not erased before the transaction ends. Whoever is being erased is waited for, and is nobody then.
    """
    found: dict[str, dict[UUID, bool]] = {}
    for row in await connection.fetch(sql.HOLD_BY_PHONE, list(phones)):
        found.setdefault(row["phone"], {}).setdefault(row["person_id"], True)
    ids = {person for people in found.values() for person in people}
    now = await resolve(connection, ids)
    return {phone: list(dict.fromkeys(now[person] for person in people)) for phone, people in found.items()}


def _card(row: asyncpg.Record) -> Card:
    return Card(
        topic=row["topic"],
        person_id=row["person_id"],
        version=row["version"],
        erased=row["erased"],
        kind=row["kind"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        phones=(*row["phones"], *row["shared_phones"]),
        emails=tuple(row["emails"]),
        locale=row["locale"],
        accepts_service=row["accepts_service"],
        accepts_promotional=row["accepts_promotional"],
    )
