"""Recording a purchase: the customer found or opened, the coupon redeemed, the event written, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.coupons.models import Coupon
from services.customers.coupons.usecases import lock_coupons
from services.customers.customers.conversion import open_buyers
from services.customers.customers.opening import admit
from services.customers.people.errors import CustomerNotFound
from services.customers.people.holding import hold_customer
from services.customers.purchases import sql
from services.customers.purchases.errors import ExternalIdTaken
from services.customers.purchases.items import Prepared
from shared import outbox
from shared.db import driver


@dataclass(frozen=True, slots=True)
class Recorded:
    """The purchase that came of a request; `new` is false where its external id came before with the same content."""

    id: UUID
    person_id: UUID
    new: bool


async def record_purchase(tx: AsyncSession, purchase: Prepared, *, now: datetime) -> Recorded:
    """Record a purchase once; raises `ExternalIdTaken` where its external id is that of another."""
    connection = driver(tx)
    known = await _repeated(connection, purchase)
    if known is not None:
        return known
    await _find_customer(tx, purchase, now)
    coupon = await _apply_coupon(tx, purchase)
    await outbox.flush(tx)
    if await connection.fetchval(sql.RECORD, *values(purchase, now), *_lines(purchase), *outbox.row(purchase.event())):
        outbox.written(tx)
        if coupon is not None:
            outbox.add(tx, coupon.redeem(purchase.id, at=purchase.occurred_at))
        return Recorded(purchase.id, purchase.event().person_id, new=True)
    known = await _repeated(connection, purchase)
    if known is None:
        raise RuntimeError(f"Purchase {purchase.id} was neither recorded nor known.")
    return known


async def _repeated(connection: asyncpg.Connection, purchase: Prepared) -> Recorded | None:
    """Return the purchase that was recorded under this external id before."""
    key = purchase.external_key
    row = await connection.fetchrow(sql.BY_EXTERNAL_ID, [key[0]], [key[1]]) if key is not None else None
    if row is None or key is None:
        return None
    if row["fingerprint"] != purchase.fingerprint:
        raise ExternalIdTaken(*key, row["id"])
    return Recorded(row["id"], row["person_id"], new=False)


async def _find_customer(tx: AsyncSession, purchase: Prepared, now: datetime) -> None:
    """Find the customer and hold them, so that nobody merges or erases them meanwhile."""
    named = purchase.item.person_id
    if named is not None:
        purchase.person_id = await _hold_buyer(tx, named)
        return
    draft = purchase.draft()
    if draft is not None:
        await admit(tx, [draft], at=now)
        purchase.person_id = draft.admitted()


async def _hold_buyer(tx: AsyncSession, person_id: UUID) -> UUID:
    """Hold the customer of an id; a lead becomes one by buying."""
    try:
        return await hold_customer(tx, person_id)
    except CustomerNotFound:
        await open_buyers(tx, [person_id])
        return await hold_customer(tx, person_id)


async def _apply_coupon(tx: AsyncSession, purchase: Prepared) -> Coupon | None:
    """Lock the coupon and take its discount off, unless the purchase says what the discount was."""
    item = purchase.item
    if item.coupon_code is None or purchase.person_id is None:
        return None
    coupons = await lock_coupons(tx, {item.coupon_code})
    coupon = coupons.for_purchase(item.coupon_code, purchase.person_id)
    purchase.take(coupon)
    return coupon


def values(purchase: Prepared, now: datetime) -> tuple[Any, ...]:
    """Return the columns of a purchase in the order of `sql.NAMES`."""
    item = purchase.item
    source = item.source if item.external_id is not None else None
    return (
        purchase.id,
        purchase.person_id,
        source,
        item.external_id,
        purchase.fingerprint,
        purchase.amount_minor,
        purchase.discount_minor,
        purchase.discount_origin,
        item.currency,
        purchase.coupon_id,
        item.intermediary_id,
        item.agent_id,
        item.channel,
        purchase.occurred_at,
        now,
    )


def _lines(purchase: Prepared) -> tuple[list[Any], ...]:
    lines = purchase.lines
    return (
        [line.product for line in lines],
        [line.category for line in lines],
        [line.quantity for line in lines],
        [line.amount_minor for line in lines],
    )
