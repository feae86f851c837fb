"""Refunds and cancellations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.marking import mark_known
from services.customers.people.identity import resolve_many
from services.customers.purchases.errors import PurchaseNotFound
from services.customers.purchases.models import Purchase
from shared import outbox
from shared.db import driver


async def refund_purchase(
    tx: AsyncSession, purchase_id: UUID, amount_minor: int, *, occurred_at: datetime, now: datetime
) -> Purchase:
    """Give back part of a purchase's value, however many try at once."""
    purchase = await _lock(tx, purchase_id)
    refund, event = purchase.refund(amount_minor, at=occurred_at, recorded_at=now)
    tx.add(refund)
    outbox.add(tx, event)
    return await _touched(tx, purchase)


async def cancel_purchase(tx: AsyncSession, purchase_id: UUID, *, now: datetime) -> Purchase:
    """Let a purchase count nowhere; to cancel it again changes nothing.

    A coupon that was redeemed with it stays used, and one that it earned is not taken back.
    """
    purchase = await _lock(tx, purchase_id)
    event = purchase.cancel(at=now)
    if event is not None:
        outbox.add(tx, event)
    return await _touched(tx, purchase)


async def _lock(tx: AsyncSession, purchase_id: UUID) -> Purchase:
    purchase = await tx.scalar(select(Purchase).where(Purchase.id == purchase_id).with_for_update())
    if purchase is None:
        raise PurchaseNotFound(purchase_id)
    return purchase


async def _touched(tx: AsyncSession, purchase: Purchase) -> Purchase:
    await tx.flush()
    connection = driver(tx)
    people, _ = await resolve_many(connection, [purchase.person_id])
    await mark_known(connection, people.values())
    await tx.refresh(purchase, ["lines", "refunds"])
    return purchase
