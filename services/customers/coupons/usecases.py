"""Coupons: issued by hand or on request, found, redeemed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.coupons.codes import codes_for, new_code, read_code
from services.customers.coupons.errors import CouponAlreadyUsed, CouponNotFound, CouponOfAnother
from services.customers.coupons.models import Coupon
from services.customers.people.holding import hold_customer
from services.customers.people.identity import resolve_many
from shared import outbox
from shared.contracts.customers import CouponRefused
from shared.contracts.messaging import CouponRequested
from shared.db import driver
from shared.ids import derived_id, new_id
from shared.web.fields import refuse_unknown_currency

MOST_VALID_DAYS: Final = 3_650


async def issue_coupon(
    tx: AsyncSession,
    person_id: UUID,
    *,
    reason: str,
    now: datetime,
    valid_days: int,
    discount_percent: int | None = None,
    discount_minor: int | None = None,
    currency: str = "IRR",
    request_id: UUID | None = None,
    requested_at: datetime | None = None,
    secret: str | None = None,
) -> Coupon | None:
    """Make a coupon and publish it; None where this request has one already.

    What a request leads to has the same id, and with a `secret` the same code, when it is answered again after a
    restore: the person has the code, and it has to be good, for what they bought since they were first given it too.
    """
    codes = codes_for(request_id, secret) if request_id and secret else iter(new_code, None)
    fields = {
        "id": derived_id(request_id, "coupon") if request_id else new_id(),
        "person_id": person_id,
        "discount_percent": discount_percent,
        "discount_minor": discount_minor,
        "currency": currency,
        "reason": reason,
        "request_id": request_id,
        "issued_at": min(requested_at or now, now),
        "valid_until": now + timedelta(days=valid_days),
    }
    for code in codes:
        statement = insert(Coupon).values(code=code, **fields).on_conflict_do_nothing().returning(Coupon)
        coupon = (await tx.scalars(statement)).one_or_none()
        if coupon is not None:
            outbox.add(tx, coupon.issued())
            return coupon
        if request_id is not None and await tx.scalar(select(Coupon.id).where(Coupon.request_id == request_id)):
            return None
    return None


async def answer_request(
    tx: AsyncSession, request: CouponRequested, *, now: datetime, secret: str | None = None
) -> None:
    """Issue the coupon that was asked for, once, or say why not."""
    people, erased = await resolve_many(driver(tx), [request.person_id])
    reason = "erased" if erased else _refusal(request)
    if reason is not None:
        outbox.add(
            tx,
            CouponRefused(person_id=request.person_id, request_id=request.request_id, reason=reason, occurred_at=now),
        )
        return
    await issue_coupon(
        tx,
        people[request.person_id],
        reason=request.reason,
        now=now,
        valid_days=request.valid_days,
        discount_percent=request.discount_percent,
        discount_minor=request.discount_minor,
        request_id=request.request_id,
        requested_at=request.occurred_at,
        secret=secret,
    )


def _refusal(request: CouponRequested) -> str | None:
    """Return why no coupon can be made as asked for."""
    percent, amount = request.discount_percent, request.discount_minor
    if (percent is None) == (amount is None):
        return "one_discount_needed"
    if percent is not None and not 1 <= percent <= 100:  # noqa: PLR2004
        return "wrong_percentage"
    if amount is not None and amount <= 0:
        return "wrong_amount"
    return None if 1 <= request.valid_days <= MOST_VALID_DAYS else "wrong_validity"


async def find_coupon(tx: AsyncSession, written: str) -> Coupon:
    """Return the coupon of a code, however it was typed."""
    coupon = await tx.scalar(select(Coupon).where(Coupon.code == read_code(written)))
    if coupon is None:
        raise CouponNotFound(written)
    return coupon


@dataclass(frozen=True, slots=True)
class LockedCoupons:
    """Coupons that are locked for redeeming, by their codes, and whom the ids of people mean now."""

    by_code: Mapping[str, Coupon]
    people: Mapping[UUID, UUID]

    def for_purchase(self, written: str, person_id: UUID | None, taken: Collection[UUID] = ()) -> Coupon:
        """Return the coupon of a code if it is this person's, and not among those `taken` by others of a batch."""
        coupon = self.by_code.get(read_code(written))
        if coupon is None:
            raise CouponNotFound(written)
        if self.people[coupon.person_id] != person_id:
            raise CouponOfAnother(coupon.code)
        if coupon.id in taken:
            raise CouponAlreadyUsed(coupon.code)
        return coupon


async def lock_coupons(tx: AsyncSession, written: Collection[str]) -> LockedCoupons:
    """Lock coupons for redeeming; whoever else tries one waits, and then finds it used."""
    codes = sorted({read_code(code) for code in written})
    statement = select(Coupon).where(Coupon.code.in_(codes)).order_by(Coupon.code).with_for_update()
    coupons = list(await tx.scalars(statement))
    people, _ = await resolve_many(driver(tx), {coupon.person_id for coupon in coupons})
    return LockedCoupons({coupon.code: coupon for coupon in coupons}, people)


async def issue_by_hand(
    tx: AsyncSession,
    *,
    person_id: UUID,
    discount_percent: int | None,
    discount_minor: int | None,
    currency: str,
    valid_days: int,
    reason: str,
    now: datetime,
    currencies: Collection[str],
) -> Coupon:
    """Issue a coupon to a customer, who has to exist."""
    refuse_unknown_currency(currency, currencies)
    coupon = await issue_coupon(
        tx,
        await hold_customer(tx, person_id),
        reason=reason,
        now=now,
        valid_days=valid_days,
        discount_percent=discount_percent,
        discount_minor=discount_minor,
        currency=currency,
    )
    if coupon is None:
        raise RuntimeError("A coupon without a request is always new.")
    return coupon
