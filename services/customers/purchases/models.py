"""A purchase, its lines and its refunds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.customers.orm import Base
from services.customers.purchases.errors import PurchaseAlreadyCancelled, RefundBeforePurchase, RefundTooLarge
from shared.contracts.customers import PurchaseCancelled, PurchaseRefunded
from shared.ids import new_id
from shared.instants import CLOCK_SKEW


class Purchase(Base):
    """Something was bought; of value 0, too. `person_id` stays as it was published when people are merged.

    `fingerprint` is the hash of what was sent, so that the repeat of an external id is told from its misuse.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_minor"),
        CheckConstraint("discount_minor BETWEEN 0 AND amount_minor", name="discount_minor"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor - discount_minor", name="refunded_minor"),
        CheckConstraint("discount_origin IN ('promotion', 'coupon', 'reward')", name="discount_origin"),
        Index("ix_purchases_person_id_occurred_at_id", "person_id", "occurred_at", "id"),
        Index("ix_purchases_occurred_at_id", "occurred_at", "id"),
        Index(
            "uq_purchases_source_external_id",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    fingerprint: Mapped[bytes]
    amount_minor: Mapped[int]
    discount_minor: Mapped[int] = mapped_column(server_default="0", default=0)
    discount_origin: Mapped[str | None]
    currency: Mapped[str]
    refunded_minor: Mapped[int] = mapped_column(server_default="0", default=0)
    coupon_id: Mapped[UUID | None]
    intermediary_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]

    lines: Mapped[list[Line]] = relationship(
        primaryjoin="Purchase.id == foreign(Line.purchase_id)", order_by="Line.place", lazy="raise", viewonly=True
    )
    refunds: Mapped[list[Refund]] = relationship(order_by="Refund.occurred_at", lazy="raise", viewonly=True)

    @property
    def status(self) -> str:
        """Return `recorded`, or `cancelled`: it counts nowhere then."""
        return "recorded" if self.cancelled_at is None else "cancelled"

    @property
    def value_minor(self) -> int:
        """Return what was paid and not given back."""
        return self.amount_minor - self.discount_minor - self.refunded_minor

    def refund(self, amount_minor: int, *, at: datetime, recorded_at: datetime) -> tuple[Refund, PurchaseRefunded]:
        """Give back part of the value; all refunds together never exceed what was paid.

        One by a clock a little behind ours is given at the instant of the purchase; one before that is refused.
        """
        if self.cancelled_at is not None:
            raise PurchaseAlreadyCancelled(self.id)
        if at < self.occurred_at - CLOCK_SKEW:
            raise RefundBeforePurchase(at, self.occurred_at)
        at = max(at, self.occurred_at)
        if amount_minor > self.value_minor:
            raise RefundTooLarge(amount_minor, self.value_minor, self.currency)
        self.refunded_minor += amount_minor
        refund = Refund(
            id=new_id(), purchase_id=self.id, amount_minor=amount_minor, occurred_at=at, recorded_at=recorded_at
        )
        return refund, PurchaseRefunded(
            purchase_id=self.id,
            person_id=self.person_id,
            refund_id=refund.id,
            amount_minor=amount_minor,
            currency=self.currency,
            purchased_at=self.occurred_at,
            occurred_at=at,
        )

    def cancel(self, *, at: datetime) -> PurchaseCancelled | None:
        """Let the purchase count nowhere; None if it was cancelled before."""
        if self.cancelled_at is not None:
            return None
        self.cancelled_at = at
        return PurchaseCancelled(
            purchase_id=self.id, person_id=self.person_id, purchased_at=self.occurred_at, occurred_at=at
        )


class Line(Base):
    """One product of a purchase; `amount_minor` is before discount.

    `occurred_at` is the purchase's: the purchases of a product are read in that order.
    Lines are written with their purchase and never without, so no foreign key has each of ten thousand looked up.
    """

    __tablename__ = "purchase_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("amount_minor >= 0", name="amount_minor"),
        Index("ix_purchase_lines_product_occurred_at_purchase_id", "product", "occurred_at", "purchase_id"),
    )

    purchase_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product: Mapped[str]
    category: Mapped[str | None]
    quantity: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    amount_minor: Mapped[int]
    occurred_at: Mapped[datetime | None]


class Refund(Base):
    """Part of a purchase's value, given back."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_minor"),
        Index("ix_refunds_purchase_id", "purchase_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purchase_id: Mapped[UUID] = mapped_column(ForeignKey("purchases.id"))
    amount_minor: Mapped[int]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
