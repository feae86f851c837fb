"""Coupons that automations ask for."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.coupons.usecases import answer_request
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.messaging import CouponRequested
from shared.outbox.consumer import Consumer
from shared.service import runtime_behind

consumer = Consumer("customers")


@consumer.own(CouponRequested)
async def issue_on_request(tx: AsyncSession, received: Received[CouponRequested]) -> None:
    """Answer an automation that wants a coupon for a person."""
    key = runtime_behind(tx).settings.secret_key
    secret = key.get_secret_value() if key is not None else None
    await answer_request(tx, received.event, now=utcnow(), secret=secret)
