"""Facts about purchases and about who is one person."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from services.metrics.facts.writing import store, within_calendars
from shared.contracts import Received
from shared.contracts.customers import CustomerMerged, PurchaseCancelled, PurchaseRecorded, PurchaseRefunded
from shared.outbox.consumer import Consumer

consumer = Consumer("metrics")


@consumer.state(PurchaseRecorded, batch=True)
async def store_purchases(tx: AsyncSession, batch: Sequence[Received[PurchaseRecorded]]) -> None:
    events = [received.event for received in batch]
    rows = (
        (
            event.purchase_id,
            event.person_id,
            within_calendars(event.occurred_at),
            event.amount_minor,
            event.discount_minor,
            event.currency,
            event.channel,
        )
        for event in events
    )
    await store(tx, sql.PURCHASES, rows, *(event.person_id for event in events))


@consumer.state(PurchaseRefunded, batch=True)
async def store_refunds(tx: AsyncSession, batch: Sequence[Received[PurchaseRefunded]]) -> None:
    events = [received.event for received in batch]
    rows = ((event.refund_id, event.purchase_id, event.amount_minor, event.currency) for event in events)
    await store(tx, sql.REFUNDS, rows, *(event.person_id for event in events))


@consumer.state(PurchaseCancelled, batch=True)
async def store_cancellations(tx: AsyncSession, batch: Sequence[Received[PurchaseCancelled]]) -> None:
    events = [received.event for received in batch]
    await store(tx, sql.CANCELLATIONS, ((event.purchase_id,) for event in events), *(e.person_id for e in events))


@consumer.state(CustomerMerged, batch=True)
async def store_merges(tx: AsyncSession, batch: Sequence[Received[CustomerMerged]]) -> None:
    pairs = [(received.event.person_id, received.event.merged_id) for received in batch]
    either_way = {*pairs, *((other, person) for person, other in pairs)}
    await store(tx, sql.MERGES, sorted(either_way), *(person for pair in pairs for person in pair))
