"""What the customers service publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec

from shared.contracts.envelope import Code, Event, Money, Withdrawal

TOPIC = "customers.events.v1"

CustomerType = Literal[
    "potential",
    "actual",
    "new",
    "regular",
    "loyal",
    "discount_seeking",
    "former",
    "internal",
    "external",
    "intermediary",
]
LifecycleStage = Literal["reach", "acquisition", "conversion", "retention", "loyalty", "lapsed"]
DiscountOrigin = Literal["promotion", "coupon", "reward"]


Quantity = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")]


class CustomerEvent(Event, frozen=True, kw_only=True):
    topic: ClassVar[str] = TOPIC

    person_id: UUID


class CustomerCreated(CustomerEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "customer.created"

    kind: Literal["person", "group", "organisation"] = "person"
    origin: Literal["conversion", "api", "import", "purchase"]
    lead_id: UUID | None = None
    source: Code | None = None
    province: Code | None = None


class CustomerUpdated(CustomerEvent, frozen=True, kw_only=True):
    """The profile changed; `fields` names what changed, the values stay with customers and on the card."""

    type: ClassVar[str] = "customer.updated"

    fields: tuple[Code, ...]
    province: Code | None = None


class CustomerClassified(CustomerEvent, frozen=True, kw_only=True):
    """The set of types changed. `reasons` gives the rule of each type that was computed, as codes."""

    type: ClassVar[str] = "customer.classified"

    before: tuple[CustomerType, ...]
    after: tuple[CustomerType, ...]
    reasons: dict[str, Code] = {}


class CustomerStageChanged(CustomerEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "customer.stage_changed"

    before: LifecycleStage
    after: LifecycleStage
    reason: Code


class CustomerMerged(Event, frozen=True, kw_only=True):
    """Two ids meant one person: `person_id` lives on, `merged_id` is an alias of it from now on.

    `last_purchase_at` is when they last bought, under whichever of their ids.
    """

    type: ClassVar[str] = "customer.merged"
    topic: ClassVar[str] = TOPIC

    person_id: UUID
    merged_id: UUID
    last_purchase_at: datetime | None = None


class CustomerErased(CustomerEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "customer.erased"

    alias_ids: tuple[UUID, ...] = ()


class PurchaseLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One product of a purchase. `quantity` is a decimal in text; `amount_minor` is before discount."""

    product: Code
    category: Code | None = None
    quantity: Quantity = "1"
    amount_minor: Money


class PurchaseEvent(CustomerEvent, frozen=True, kw_only=True):
    subject_field: ClassVar[str] = "purchase_id"

    purchase_id: UUID


class PurchaseRecorded(PurchaseEvent, frozen=True, kw_only=True):
    """A purchase, or a renewal of a contract. Value = `amount_minor` − `discount_minor`, less its refunds."""

    type: ClassVar[str] = "purchase.recorded"

    amount_minor: Money
    discount_minor: Money = 0
    discount_origin: DiscountOrigin | None = None
    currency: Code = "IRR"
    lines: tuple[PurchaseLine, ...] = ()
    coupon_id: UUID | None = None
    intermediary_id: UUID | None = None
    agent_id: UUID | None = None
    channel: Code | None = None


class PurchaseRefunded(PurchaseEvent, frozen=True, kw_only=True):
    """Part of the value was given back; `purchased_at` is when the purchase occurred."""

    type: ClassVar[str] = "purchase.refunded"
    part_field: ClassVar[str | None] = "refund_id"

    refund_id: UUID
    amount_minor: Money
    currency: Code = "IRR"
    purchased_at: datetime


class PurchaseCancelled(PurchaseEvent, frozen=True, kw_only=True):
    """The purchase counts nowhere, as if it had not been; `purchased_at` is when it occurred."""

    type: ClassVar[str] = "purchase.cancelled"

    purchased_at: datetime


class CouponEvent(CustomerEvent, frozen=True, kw_only=True):
    subject_field: ClassVar[str] = "coupon_id"

    coupon_id: UUID


class CouponIssued(CouponEvent, frozen=True, kw_only=True):
    """A coupon was made; `request_id` answers the `coupon.requested` that asked for it."""

    type: ClassVar[str] = "coupon.issued"

    code: Code
    discount_percent: int | None = None
    discount_minor: Money | None = None
    currency: Code = "IRR"
    valid_until: datetime
    reason: Code
    request_id: UUID | None = None


class CouponRedeemed(CouponEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "coupon.redeemed"

    purchase_id: UUID
    request_id: UUID | None = None


class CouponRefused(CustomerEvent, frozen=True, kw_only=True):
    """A request for a coupon was not granted, and why."""

    type: ClassVar[str] = "coupon.refused"
    subject_field: ClassVar[str] = "request_id"

    request_id: UUID
    reason: Code


class TicketEvent(CustomerEvent, frozen=True, kw_only=True):
    subject_field: ClassVar[str] = "ticket_id"

    ticket_id: UUID
    kind: Literal["question", "problem", "request", "complaint"]
    product: Code | None = None
    agent_id: UUID | None = None
    answer_id: UUID | None = None


class TicketOpened(TicketEvent, frozen=True, kw_only=True):
    """`answer_id` is the survey answer that led to it, where one did; `for_manager` says who it goes to."""

    type: ClassVar[str] = "ticket.opened"

    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    for_manager: bool = False
    purchase_id: UUID | None = None
    channel: Code | None = None


class TicketAssigned(TicketEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "ticket.assigned"

    previous_agent_id: UUID | None = None


class TicketAnswered(TicketEvent, frozen=True, kw_only=True):
    """The customer was answered; `first` on the first answer since it was opened."""

    type: ClassVar[str] = "ticket.answered"

    first: bool
    opened_at: datetime


class TicketResolved(TicketEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "ticket.resolved"

    cause: Literal["product", "delivery", "staff", "customer_error", "price", "other"]
    opened_at: datetime


class TicketReopened(TicketEvent, frozen=True, kw_only=True):
    type: ClassVar[str] = "ticket.reopened"

    opened_at: datetime


class CustomersWithdrawal(Withdrawal, frozen=True, kw_only=True):
    type: ClassVar[str] = "customers.fact_withdrawn"
    topic: ClassVar[str] = TOPIC
