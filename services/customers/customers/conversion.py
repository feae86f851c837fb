"""Customers that leads become, by conversion or by buying: the fact and the lead's card may come in either order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.marking import mark
from services.customers.customers import sql
from services.customers.customers.merging import merge_people
from services.customers.customers.opening import Draft, admit
from services.customers.customers.profile import Fields, Origin, missing, of_card
from services.customers.people.contacts import lead_cards
from services.customers.people.errors import PhoneTaken
from services.customers.people.identity import look_up, resolve_many
from shared.clock import utcnow
from shared.contracts.cards import ContactCard
from shared.contracts.leads import LeadConverted
from shared.db import driver


async def open_converted(tx: AsyncSession, event: LeadConverted) -> None:
    """Open the customer whom a lead became, by the name and number on its card if that has come."""
    connection = driver(tx)
    person_id = await _living(connection, event.person_id)
    if person_id is None:
        return
    card = None
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM customers WHERE id = $1)", person_id):
        card = (await lead_cards(connection, {person_id})).get(person_id)
    at_opening: Fields = {"lead_id": event.lead_id, "source": event.source}
    await _admit_or_merge(tx, [_draft(person_id, card, {"engaged": True}, at_opening)])


async def open_buyers(tx: AsyncSession, person_ids: Collection[UUID]) -> None:
    """Open the customers that leads become who buy under the ids they have as leads; others stay unknown."""
    cards = await lead_cards(driver(tx), person_ids)
    await _admit_or_merge(tx, [_draft(each, cards[each], {}, {}, origin="purchase") for each in sorted(cards)])


async def fill_in(tx: AsyncSession, cards: Sequence[ContactCard]) -> None:
    """Take from leads' cards what their customers' profiles lack; a lead with a customer's number is that customer."""
    connection = driver(tx)
    people, erased = await resolve_many(connection, [card.person_id for card in cards])
    living = {people[card.person_id]: card for card in cards if card.person_id not in erased}
    rows = {row["id"]: row for row in await connection.fetch(sql.LOCK, list(living))}
    strangers = {person_id: card for person_id, card in living.items() if person_id not in rows}
    directory = await look_up(connection, {phone for card in strangers.values() for phone in card.phones})
    for person_id, card in strangers.items():
        owner = next((directory.customers[phone] for phone in card.phones if phone in directory.customers), None)
        if owner is not None:
            await merge_people(tx, merged_id=person_id, into_id=owner, at=utcnow())
    await mark(connection, strangers)
    reachable = await _with_numbers(connection, rows)
    for person_id, row in rows.items():
        await _fill_in(tx, row, living[person_id], has_number=person_id in reachable)


async def _fill_in(tx: AsyncSession, row: asyncpg.Record, card: ContactCard, *, has_number: bool) -> None:
    fields = missing(dict(row), of_card(card))
    if has_number and not fields:
        return
    await _admit_or_merge(tx, [_draft(row["id"], None if has_number else card, fields, {})])


def _draft(
    person_id: UUID, card: ContactCard | None, fields: Fields, at_opening: Fields, origin: Origin = "conversion"
) -> Draft:
    return Draft(
        origin=origin,
        wanted_id=person_id,
        fields=fields,
        at_opening=at_opening,
        phones=card.phones if card is not None else (),
        shared_phones=card.shared_phones if card is not None else (),
        awaits_card=card is None,
    )


async def _admit_or_merge(tx: AsyncSession, drafts: Sequence[Draft]) -> None:
    """Open or change the customers; where another has the number on the card, the two are one person."""
    now = utcnow()
    await admit(tx, drafts, at=now)
    for draft in drafts:
        if draft.wanted_id is None or draft.person_id is None or not isinstance(draft.refusal, PhoneTaken):
            continue
        into = await merge_people(tx, merged_id=draft.wanted_id, into_id=draft.person_id, at=now)
        engaged = {name: value for name, value in draft.fields.items() if name == "engaged"}
        if into is not None:
            await admit(tx, [Draft(origin="conversion", wanted_id=into, fields=engaged)], at=now)


async def _living(connection: asyncpg.Connection, person_id: UUID) -> UUID | None:
    people, erased = await resolve_many(connection, [person_id])
    return None if erased else people[person_id]


async def _with_numbers(
    connection: asyncpg.Connection, person_ids: Sequence[UUID] | dict[UUID, asyncpg.Record]
) -> set[UUID]:
    rows = await connection.fetch(
        "SELECT DISTINCT person_id FROM phone_numbers WHERE person_id = ANY($1::uuid[])", list(person_ids)
    )
    return {row["person_id"] for row in rows}
