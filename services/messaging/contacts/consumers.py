"""Cards and erasures as messaging hears of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations import sql as automations_sql
from services.messaging.contacts import sql
from services.messaging.contacts.keeping import keep_aliases, keep_cards, remember_erased
from services.messaging.contacts.marks import mark_numbers
from services.messaging.inbound.receiving import forget_senders, match_senders, note_sharers
from services.messaging.messages import sql as messages_sql
from services.messaging.messages.statuses import Status
from services.messaging.messages.telling import tell
from services.messaging.suppressions.usecases import forget_people
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.cards import CUSTOMERS_CONTACTS, LEADS_CONTACTS, ReceivedCard
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.contracts.leads import LeadErased
from shared.db import driver
from shared.outbox.consumer import Consumer, Kind
from shared.service import runtime_behind

consumer = Consumer("messaging")


@consumer.cards(LEADS_CONTACTS, CUSTOMERS_CONTACTS)
async def keep_contact_cards(tx: AsyncSession, received: Sequence[ReceivedCard]) -> None:
    """Keep the newest card of each person."""
    gone = [(each.key, each.recorded_at) for each in received if each.card is None]
    await mark_numbers(driver(tx), gone, runtime_behind(tx).settings)
    await keep_cards(driver(tx), received)


@consumer.state(CustomerMerged, batch=True)
async def keep_merges(tx: AsyncSession, received: Sequence[Received[CustomerMerged]]) -> None:
    """Remember which id means which."""
    await keep_aliases(driver(tx), [(each.event.merged_id, each.event.person_id) for each in received])


@consumer.state(CustomerErased, LeadErased, batch=True)
async def empty_erased_cards(
    tx: AsyncSession, received: Sequence[Received[CustomerErased] | Received[LeadErased]]
) -> None:
    """Empty the copies of cards."""
    await mark_numbers(driver(tx), _erased_at(received).items(), runtime_behind(tx).settings)
    await driver(tx).execute(sql.EMPTY_ERASED, _ids(received))


@consumer.cards(LEADS_CONTACTS, CUSTOMERS_CONTACTS, kind=Kind.OWN)
async def use_contact_cards(tx: AsyncSession, received: Sequence[ReceivedCard]) -> None:
    """Let messages go that waited for a card, and tell whose the texts of unknown senders were."""
    await driver(tx).execute(messages_sql.RELEASE_AWAITING, [card.key for card in received], utcnow())
    cards = [(each.key, each.card) for each in received if each.card is not None and each.card.kind != "agent"]
    if phones := {phone: person_id for person_id, card in cards for phone in card.phones}:
        await match_senders(tx, phones)
    if shared := [(phone, person_id) for person_id, card in cards for phone in card.shared_phones]:
        await note_sharers(tx, shared)


@consumer.own(CustomerErased, LeadErased, batch=True)
async def erase_people(tx: AsyncSession, received: Sequence[Received[CustomerErased] | Received[LeadErased]]) -> None:
    """Cancel what was to be sent, empty what was sent and received, and remember for ever who is erased."""
    now, ids, connection = utcnow(), _ids(received), driver(tx)
    await remember_erased(connection, ids, now)
    for row in await connection.fetch(messages_sql.ERASE_WAITING, ids, now):
        tell(tx, row, Status.CANCELLED, now, reason="erased")
    await connection.execute(messages_sql.ERASE_CONTENT, ids)
    await connection.execute(automations_sql.CANCEL, ids, now)
    await connection.execute(automations_sql.EMPTY, ids)
    await forget_senders(tx, _erased_at(received), runtime_behind(tx).settings)
    await forget_people(connection, ids)


def _ids(received: Sequence[Received[CustomerErased] | Received[LeadErased]]) -> list[UUID]:
    return sorted(_erased_at(received))


def _erased_at(received: Sequence[Received[CustomerErased] | Received[LeadErased]]) -> dict[UUID, datetime]:
    """Return when each id was erased, the last time if it was several times."""
    events = sorted((each.event for each in received), key=lambda event: event.occurred_at)
    return {person: event.occurred_at for event in events for person in (event.person_id, *event.alias_ids)}
