"""Two ids for one person become one: the other is an alias from then on, in chains too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.marking import mark
from services.customers.customers import sql
from services.customers.customers.erasing import erase_people
from services.customers.customers.profile import Fields, change, missing, of_card
from services.customers.people.contacts import lead_cards
from services.customers.people.errors import CustomerNotFound
from services.customers.people.identity import PhoneClaim, ids_of, lock_identities, resolve_many, take_free
from shared import outbox
from shared.contracts import Received
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerMerged
from shared.db import driver

ALIAS: Final = "INSERT INTO aliases (alias_id, person_id, merged_at) VALUES ($1, $2, $3)"
FLATTEN: Final = "UPDATE aliases SET person_id = $2 WHERE person_id = $1"
DROP_DOUBLE_PHONES: Final = """
DELETE FROM phone_numbers WHERE person_id = $1 AND phone IN (SELECT phone FROM phone_numbers WHERE person_id = $2)
"""
MOVE_PHONES: Final = "UPDATE phone_numbers SET person_id = $2 WHERE person_id = $1"
AFTER_THEIR_OWN: Final = 100
"""Place of the first number that comes from elsewhere; a profile has fewer of its own."""

LAST_PURCHASE: Final = "SELECT max(occurred_at) FROM purchases WHERE person_id = ANY($1::uuid[])"
"""One that was cancelled counts too: a lead that it had converted before the merge would have stayed so."""

MOVE_EXTERNAL_IDS: Final = "UPDATE external_ids SET person_id = $2 WHERE person_id = $1"


KNOWN: Final = """
SELECT EXISTS (SELECT FROM customers WHERE id = $1) OR EXISTS (SELECT FROM lead_contacts WHERE person_id = $1)
    OR EXISTS (SELECT FROM aliases WHERE alias_id = $1) OR EXISTS (SELECT FROM erased_people WHERE person_id = $1)
"""


async def merge_by_hand(tx: AsyncSession, *, merged_id: UUID, into_id: UUID, at: datetime) -> UUID | None:
    """Merge as `merge_people` does, but only an id that somebody has: what was mistyped could not be parted again."""
    if not await driver(tx).fetchval(KNOWN, merged_id):
        raise CustomerNotFound(merged_id)
    return await merge_people(tx, merged_id=merged_id, into_id=into_id, at=at)


async def merge_people(tx: AsyncSession, *, merged_id: UUID, into_id: UUID, at: datetime) -> UUID | None:
    """Let `merged_id` mean `into_id` from now on; return the id that lives on.

    What was published under either id stays as it is. The profile of `into_id` wins, and takes from the other what
    it lacks. If one of the two was erased, the other is erased as well, and nobody lives on. Merges and erasures are
    rare and may touch long chains, so they take turns.
    """
    connection = driver(tx)
    await lock_identities(connection)
    people, erased = await resolve_many(connection, [merged_id, into_id])
    if erased:
        await erase_people(tx, list(people.values()), at=at)
        return None
    merged, into = people[merged_id], people[into_id]
    if merged != into:
        await _merge(connection, merged, into, at)
        bought_at = await connection.fetchval(LAST_PURCHASE, await ids_of(connection, into))
        outbox.add(tx, CustomerMerged(person_id=into, merged_id=merged, last_purchase_at=bought_at, occurred_at=at))
        outbox.add_card(tx, CUSTOMERS_CONTACTS, into, merged)
    return into


async def merge_again(tx: AsyncSession, received: Received[CustomerMerged]) -> None:
    """Let two ids mean one person in a database restored from an older copy; all others have merged them for good.

    Where the customer that lives on is unknown, what can be known is the alias.
    """
    connection = driver(tx)
    await lock_identities(connection)
    people, erased = await resolve_many(connection, [received.event.merged_id, received.event.person_id])
    merged, into = people[received.event.merged_id], people[received.event.person_id]
    if erased:
        await erase_people(tx, list(people.values()), at=received.event.occurred_at)
    elif merged != into:
        known = await connection.fetchval("SELECT EXISTS (SELECT FROM customers WHERE id = $1)", into)
        await (_merge if known else _alias)(connection, merged, into, received.event.occurred_at)
        outbox.add_card(tx, CUSTOMERS_CONTACTS, into, merged)


async def merge_leads(tx: AsyncSession, doubles: Mapping[UUID, UUID], *, at: datetime) -> None:
    """Merge people of leads into the customers who have their numbers; two customers are left to an agent."""
    if not doubles:
        return
    rows = await driver(tx).fetch("SELECT id FROM customers WHERE id = ANY($1::uuid[])", list(doubles))
    customers = {row["id"] for row in rows}
    for lead_person_id, into_id in sorted(doubles.items()):
        if lead_person_id not in customers:
            await merge_people(tx, merged_id=lead_person_id, into_id=into_id, at=at)


async def _merge(connection: asyncpg.Connection, merged: UUID, into: UUID, at: datetime) -> None:
    rows = {row["id"]: dict(row) for row in await connection.fetch(sql.LOCK, [merged, into])}
    if into not in rows:
        raise CustomerNotFound(into)
    await connection.execute("DELETE FROM customers WHERE id = $1", merged)
    await _alias(connection, merged, into, at)
    await connection.execute(DROP_DOUBLE_PHONES, merged, into)
    await connection.execute(MOVE_PHONES, merged, into)
    await connection.execute(MOVE_EXTERNAL_IDS, merged, into)
    await connection.execute("DELETE FROM classifications WHERE person_id = $1", merged)
    other: Mapping[str, Any] = rows[merged] if merged in rows else await _take_over_lead(connection, merged, into)
    if not change(rows[into], _inherited(rows[into], other), at=at):
        rows[into]["version"] += 1
    await connection.execute(sql.UPDATE, *sql.columns([rows[into]]))
    await mark(connection, [into])


async def _alias(connection: asyncpg.Connection, merged: UUID, into: UUID, at: datetime) -> None:
    await connection.execute(ALIAS, merged, into, at)
    await connection.execute(FLATTEN, merged, into)


async def _take_over_lead(connection: asyncpg.Connection, merged: UUID, into: UUID) -> Fields:
    """Give a customer the numbers of a lead who was merged into them, and return what else its card says.

    A number that another customer has stays theirs.
    """
    card = (await lead_cards(connection, [merged])).get(merged)
    if card is None:
        return {}
    phones = dict.fromkeys([*card.phones, *card.shared_phones])
    claims = [
        PhoneClaim(phone, into, phone in card.shared_phones, AFTER_THEIR_OWN + place)
        for place, phone in enumerate(phones)
    ]
    await take_free(connection, claims)
    return of_card(card)


def _inherited(row: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a profile takes over from the one that is merged into it; consents stay its own, but for refusals."""
    own = {"id", "kind", "origin", "version", "created_at", "updated_at", "name_key", "accepts_service",
           "accepts_promotional", "consent_source", "consent_at", "emails", "hand_types"}  # fmt: skip
    fields = missing(row, {name: value for name, value in other.items() if name not in own})
    for name in ("emails", "hand_types"):
        fields[name] = list(dict.fromkeys([*row[name], *other.get(name, ())]))
    return fields | _refused(other)


def _refused(other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody has refused under an id, and when: who has said no under either has said no."""
    asked_at = other.get("consent_at")
    refused: dict[str, Any] = {}
    if not other.get("accepts_service", True):
        refused["accepts_service"] = False
    if asked_at is not None and not other["accepts_promotional"]:
        refused["accepts_promotional"] = False
    if refused and asked_at is not None:
        refused |= {"consent_at": asked_at, "consent_source": other["consent_source"]}
    return refused
