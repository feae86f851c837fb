"""What the leads service does with what others say: customers' cards, merges, erasures and purchases, and replies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import chain
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Uuid, any_, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.leads.merging import merge_open_leads
from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.newcomers import part_newcomers, take_in
from services.leads.leads.replies import take_reply
from services.leads.persons import sql
from services.leads.persons.erasure import erase_persons, is_erased
from services.leads.persons.identity import same_persons
from services.leads.persons.merging import merge_persons
from shared import outbox
from shared.contracts import Received
from shared.contracts.cards import CUSTOMERS_CONTACTS, ReceivedCard
from shared.contracts.customers import (
    CustomerCreated,
    CustomerErased,
    CustomerMerged,
    CustomersWithdrawal,
    PurchaseRecorded,
)
from shared.contracts.messaging import ReplyReceived
from shared.db import driver
from shared.outbox.consumer import Consumer, Kind
from shared.service import runtime_behind

consumer = Consumer("leads")


@consumer.cards(CUSTOMERS_CONTACTS)
async def keep_contacts(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
    """Keep by which numbers and addresses customers are known."""
    await driver(tx).execute(sql.STORE_CONTACTS, orjson.dumps([_copy_of(card) for card in cards]).decode())


@consumer.cards(CUSTOMERS_CONTACTS, kind=Kind.OWN)
async def let_cards_identify(tx: AsyncSession, cards: Sequence[ReceivedCard]) -> None:
    """Leave it to the cards of customers by what they are known, as a number can pass to somebody else."""
    await driver(tx).execute(sql.LET_CARDS_IDENTIFY, [card.key for card in cards])


@consumer.state(CustomerCreated, batch=True)
async def note_customers(tx: AsyncSession, batch: Sequence[Received[CustomerCreated]]) -> None:
    """Know who is a customer before their card comes, as order between topics is not given."""
    await driver(tx).execute(sql.STORE_STUBS, [received.event.person_id for received in batch])


@consumer.state(CustomersWithdrawal, batch=True)
async def forget_withdrawn_customers(tx: AsyncSession, batch: Sequence[Received[CustomersWithdrawal]]) -> None:
    """Take nobody for a customer whom the customers service does not know any more, unless a card says so."""
    gone = [each.event.owner_id for each in batch if each.event.event_type == CustomerCreated.type]
    await driver(tx).execute(sql.DROP_STUBS, gone)


@consumer.state(CustomerErased, batch=True)
async def empty_contacts(tx: AsyncSession, batch: Sequence[Received[CustomerErased]]) -> None:
    """Empty the copies of cards of those who were erased, and remember them as erased."""
    gone = {person_id for received in batch for person_id in _all_ids(received.event)}
    await driver(tx).execute(sql.EMPTY_CONTACTS, list(gone))


@consumer.own(CustomerErased)
async def erase_customer(tx: AsyncSession, received: Received[CustomerErased]) -> None:
    """Empty what our own leads say of an erased customer; who came after the erasure is a stranger."""
    ids = await same_persons(tx, _all_ids(received.event))
    await _erase(tx, received, frozenset().union(*ids.values()))


@consumer.own(CustomerMerged, batch=True)
async def resolve_merged(tx: AsyncSession, batch: Sequence[Received[CustomerMerged]]) -> None:
    """Resolve merged ids from now on, and let two leads that are one by that go on as one.

    Before the purchases of the same batch are looked at.
    """
    for received in batch:
        person_id = received.event.person_id
        await merge_persons(tx, received.event.merged_id, into=person_id)
        ids = (await same_persons(tx, [person_id]))[person_id]
        await merge_open_leads(tx, ids, runtime_behind(tx).settings, cause=received)


@consumer.own(CustomerMerged)
async def erase_with_erased(tx: AsyncSession, received: Received[CustomerMerged]) -> None:
    """Erase whoever was merged with somebody erased."""
    person_id = received.event.person_id
    ids = (await same_persons(tx, [person_id]))[person_id]
    if await is_erased(tx, ids):
        await _erase(tx, received, ids)


@consumer.own(CustomerMerged)
async def convert_merged(tx: AsyncSession, received: Received[CustomerMerged]) -> None:
    """Convert the open leads of somebody who has bought since under an id that was not known as theirs until now."""
    bought_at = received.event.last_purchase_at
    if bought_at is None:
        return
    person_id = received.event.person_id
    leads = await _lock_open_leads(tx, (await same_persons(tx, [person_id]))[person_id])
    for lead in chain.from_iterable(leads.values()):
        if lead.is_settled_by_any(bought_at):
            outbox.add(tx, *lead.convert(at=bought_at, by="purchase"))
            change_load(tx, lead.agent_id, -1)


@consumer.own(PurchaseRecorded, batch=True)
async def convert_by_purchase(tx: AsyncSession, batch: Sequence[Received[PurchaseRecorded]]) -> None:
    """Convert the open leads that purchases settle."""
    same = await same_persons(tx, {received.event.person_id for received in batch})
    leads = await _lock_open_leads(tx, frozenset[UUID]().union(*same.values()))
    for received in batch if leads else ():
        purchase = received.event
        mine = [lead for person_id in same[purchase.person_id] for lead in leads.get(person_id, ())]
        for lead in mine:
            if lead.is_settled_by(purchase):
                outbox.add(tx, *lead.convert(at=purchase.occurred_at, by="purchase"), cause=received)
                change_load(tx, lead.agent_id, -1)


@consumer.own(ReplyReceived)
async def note_reply(tx: AsyncSession, received: Received[ReplyReceived]) -> None:
    """Take a person's reply as a touch of their open lead."""
    await take_reply(tx, received, runtime_behind(tx).settings)


async def _lock_open_leads(tx: AsyncSession, person_ids: Collection[UUID]) -> dict[UUID, list[Lead]]:
    """Return the open leads of people by person, locked in the order of their ids."""
    theirs = Lead.person_id == any_(cast(list(person_ids), ARRAY(Uuid)))
    leads = defaultdict(list)
    for lead in await tx.scalars(select(Lead).where(theirs, IS_OPEN).order_by(Lead.id).with_for_update()):
        leads[lead.person_id].append(lead)
    return leads


async def _erase(
    tx: AsyncSession, received: Received[CustomerErased] | Received[CustomerMerged], ids: Collection[UUID]
) -> None:
    newcomers = await part_newcomers(tx, ids, since=received.event.occurred_at)
    await erase_persons(tx, ids, at=received.recorded_at)
    await take_in(tx, newcomers, runtime_behind(tx).settings)


def _copy_of(card: ReceivedCard) -> dict[str, object]:
    """Return what is kept of a card. A merged id has the card of whoever it means, and identifies nobody itself."""
    known = card.card if card.card is not None and card.card.person_id == card.key else None
    return {
        "person_id": card.key,
        "version": card.version,
        "phones": known.phones if known else (),
        "shared_phones": known.shared_phones if known else (),
        "emails": known.emails if known else (),
        "aliases": known.aliases if known else (),
        "erased": card.card is None,
    }


def _all_ids(event: CustomerErased) -> tuple[UUID, ...]:
    return event.person_id, *event.alias_ids
