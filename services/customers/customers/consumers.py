"""Customers that leads become, and what the leads' cards tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.customers.conversion import fill_in, open_converted
from services.customers.customers.erasing import erase_people
from shared.contracts import Received
from shared.contracts.cards import LEADS_CONTACTS, ReceivedCard
from shared.contracts.leads import LeadConverted, LeadErased
from shared.outbox.consumer import Consumer, Kind

consumer = Consumer("customers")


@consumer.own(LeadConverted)
async def open_customer(tx: AsyncSession, received: Received[LeadConverted]) -> None:
    """Open the customer that a converted lead becomes."""
    await open_converted(tx, received.event)


@consumer.cards(LEADS_CONTACTS, kind=Kind.OWN)
async def fill_in_customers(tx: AsyncSession, received: Sequence[ReceivedCard]) -> None:
    """Give customers who were opened before their card came the name and the number that it holds."""
    await fill_in(tx, [each.card for each in received if each.card is not None and each.card.kind != "agent"])


@consumer.own(LeadErased)
async def erase_lead(tx: AsyncSession, received: Received[LeadErased]) -> None:
    """Forget a person who was erased as a lead; they may have become a customer meanwhile."""
    await erase_people(tx, [received.event.person_id, *received.event.alias_ids], at=received.event.occurred_at)
