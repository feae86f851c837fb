"""The copy of the contact cards of the leads service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.people import sql
from shared.contracts.cards import LEADS_CONTACTS, ContactCard, ReceivedCard
from shared.db import driver
from shared.outbox.consumer import Consumer

consumer = Consumer("customers")


@consumer.cards(LEADS_CONTACTS)
async def keep_lead_cards(tx: AsyncSession, received: Sequence[ReceivedCard]) -> None:
    """Keep the newest card of each person, unless they were erased; agents' cards are not wanted here."""
    people = [each for each in received if each.card is None or each.card.kind != "agent"]
    connection = driver(tx)
    kept = await connection.fetch(
        sql.KEEP_CARDS,
        [each.key for each in people],
        [each.version for each in people],
        [None if each.card is None else msgspec.json.encode(each.card).decode() for each in people],
    )
    newer = {row["person_id"] for row in kept}
    phones = [
        (phone, each.key)
        for each in people
        if each.card is not None and each.key in newer
        for phone in each.card.phones
    ]
    await connection.execute(sql.FORGET_LEAD_PHONES, list(newer))
    if phones:
        await connection.execute(sql.KEEP_LEAD_PHONES, [phone for phone, _ in phones], [key for _, key in phones])


async def lead_cards(connection: asyncpg.Connection, person_ids: Collection[UUID]) -> dict[UUID, ContactCard]:
    """Return what the leads service last said of people; nothing of whom it has not spoken yet, or who are erased."""
    if not person_ids:
        return {}
    rows = await connection.fetch(
        "SELECT person_id, card FROM lead_contacts WHERE person_id = ANY($1::uuid[]) AND card IS NOT NULL",
        list(person_ids),
    )
    return {row["person_id"]: msgspec.convert(row["card"], ContactCard) for row in rows}
