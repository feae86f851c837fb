"""A coupon: one discount, for one person, once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.customers.coupons.errors import (
    CouponAlreadyUsed,
    CouponExpired,
    CouponNotYetIssued,
    CouponOfAnotherCurrency,
)
from services.customers.orm import Base
from shared.contracts.customers import CouponIssued, CouponRedeemed
from shared.instants import CLOCK_SKEW


class Coupon(Base):
    """A code worth a discount. `person_id` stays as it was published when people are merged.

    It is good for purchases in `[issued_at, valid_until)`. One that was redeemed stays so when the purchase is
    cancelled: what was shown at a till is known.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("num_nonnulls(discount_percent, discount_minor) = 1", name="one_discount"),
        CheckConstraint("discount_percent BETWEEN 1 AND 100", name="discount_percent"),
        CheckConstraint("discount_minor > 0", name="discount_minor"),
        CheckConstraint("(redeemed_at IS NULL) = (purchase_id IS NULL)", name="redeemed_with_purchase"),
        Index("uq_coupons_code", "code", unique=True),
        Index("uq_coupons_request_id", "request_id", unique=True),
        Index("ix_coupons_person_id_issued_at_id", "person_id", "issued_at", "id"),
        Index("ix_coupons_issued_at_id", "issued_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    code: Mapped[str]
    discount_percent: Mapped[int | None]
    discount_minor: Mapped[int | None]
    currency: Mapped[str]
    reason: Mapped[str]
    request_id: Mapped[UUID | None]
    issued_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    redeemed_at: Mapped[datetime | None]
    purchase_id: Mapped[UUID | None]

    @property
    def status(self) -> str:
        """Return `issued` or `redeemed`; `valid_until` says whether an issued one is still good."""
        return "issued" if self.redeemed_at is None else "redeemed"

    def discount_on(self, amount_minor: int) -> int:
        """Return what the coupon takes off an amount, rounded down, never more than the amount."""
        if self.discount_percent is not None:
            return amount_minor * self.discount_percent // 100
        return min(self.discount_minor or 0, amount_minor)

    def issued(self) -> CouponIssued:
        """Return the event that says the coupon was made."""
        return CouponIssued(
            coupon_id=self.id,
            person_id=self.person_id,
            code=self.code,
            discount_percent=self.discount_percent,
            discount_minor=self.discount_minor,
            currency=self.currency,
            valid_until=self.valid_until,
            reason=self.reason,
            request_id=self.request_id,
            occurred_at=self.issued_at,
        )

    def refuse_unless_good(self, *, at: datetime, currency: str) -> None:
        """Raise unless a purchase `at` that instant in `currency` may use the coupon."""
        if self.redeemed_at is not None:
            raise CouponAlreadyUsed(self.code)
        if at < self.issued_at - CLOCK_SKEW:
            raise CouponNotYetIssued(self.code, self.issued_at)
        if at >= self.valid_until:
            raise CouponExpired(self.code, self.valid_until)
        if self.discount_minor is not None and currency != self.currency:
            raise CouponOfAnotherCurrency(self.code, self.currency)

    def redeem(self, purchase_id: UUID, *, at: datetime) -> CouponRedeemed:
        """Use the coupon up with a purchase that occurred `at`; it has to be good for that.

        A till whose clock is a little behind ours redeems it at the instant of its issue.
        """
        self.redeemed_at, self.purchase_id = max(at, self.issued_at), purchase_id
        return CouponRedeemed(
            coupon_id=self.id,
            person_id=self.person_id,
            purchase_id=purchase_id,
            request_id=self.request_id,
            occurred_at=self.redeemed_at,
        )
