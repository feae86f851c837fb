"""Purchases as the API takes and gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.customers.examples import PURCHASE, PURCHASE_CREATE, page, shown
from services.customers.fields import ExternalName, PositiveMoney
from services.customers.purchases.items import LineItem, Prepared, PurchaseItem
from services.customers.purchases.models import Purchase
from shared.contracts.customers import DiscountOrigin
from shared.web import Page
from shared.web.fields import Code, Currency, Instant, Money, Whole


class LineIn(BaseModel):
    """One product of a purchase; `amount_minor` is of the whole line, before discount."""

    model_config = ConfigDict(extra="forbid")

    product: Code = Field(examples=["saffron-1g"])
    category: Code | None = Field(None, examples=["spices"])
    quantity: str | Whole = Field("1", description="A number above 0, with at most 6 decimals.", examples=["2"])
    amount_minor: Money = Field(examples=[2_500_000])


class PurchaseCreate(BaseModel):
    """A purchase. Name the customer by `person_id`, or by `phone`, `customer_external_id` or both.

    Somebody who is not known by phone or external id is opened as a customer; so is a lead, whose `person_id` it is.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown(PURCHASE_CREATE))

    person_id: UUID | None = None
    phone: Annotated[str, Field(max_length=40)] | None = Field(None, description="In any written form.")
    customer_source: Code | None = Field(None, description="Which system `customer_external_id` is of; else `source`.")
    customer_external_id: ExternalName | None = None
    source: Code | None = Field(None, description="Which system `external_id` is of.")
    external_id: ExternalName | None = Field(None, description="Makes a repeat harmless.")
    occurred_at: Instant | None = Field(None, description="When it was; now unless given, never in the future.")
    amount_minor: Money | None = Field(None, description="Before discount; the sum of the lines unless given.")
    discount_minor: Money | None = Field(None, description="With a coupon, what the coupon takes off unless given.")
    discount_origin: DiscountOrigin | None = Field(
        None, description="`promotion` unless given, `coupon` with a coupon."
    )
    currency: Currency = "IRR"
    lines: list[LineIn] = Field(default_factory=list, max_length=200)
    coupon_code: ExternalName | None = Field(None, description="A coupon of the customer's; it is good once.")
    intermediary_id: UUID | None = Field(None, description="Through whom the customer bought.")
    agent_id: UUID | None = None
    channel: Code | None = Field(None, examples=["shop"])

    def item(self) -> PurchaseItem:
        """Return the purchase in the form that bulk requests have."""
        given = {name: getattr(self, name) for name in self.model_fields_set - {"lines"}}
        return PurchaseItem(**given, lines=[LineItem(**line.model_dump()) for line in self.lines])


class LineOut(BaseModel):
    """One product of a purchase; `amount_minor` is of the whole line, before discount."""

    product: str = Field(examples=["saffron-1g"])
    category: str | None = Field(examples=["spices"])
    quantity: str = Field(examples=["2"])
    amount_minor: int = Field(examples=[2_500_000])


class RefundOut(BaseModel):
    """A part of the value that was given back."""

    id: UUID
    amount_minor: int = Field(examples=[500_000])
    occurred_at: datetime


class PurchaseOut(BaseModel):
    """A purchase. Its value is `amount_minor` − `discount_minor` − `refunded_minor`; a cancelled one counts nowhere."""

    model_config = ConfigDict(json_schema_extra=shown(PURCHASE))

    id: UUID
    person_id: UUID
    status: Literal["recorded", "cancelled"]
    source: str | None
    external_id: str | None
    amount_minor: int = Field(examples=[2_500_000])
    discount_minor: int = Field(examples=[0])
    discount_origin: DiscountOrigin | None
    refunded_minor: int = Field(examples=[0])
    value_minor: int = Field(examples=[2_500_000])
    currency: str = Field(examples=["IRR"])
    lines: list[LineOut]
    refunds: list[RefundOut]
    coupon_id: UUID | None
    intermediary_id: UUID | None
    agent_id: UUID | None
    channel: str | None = Field(examples=["shop"])
    occurred_at: datetime
    recorded_at: datetime
    cancelled_at: datetime | None

    @classmethod
    def of(cls, purchase: Purchase) -> PurchaseOut:
        """Return a purchase whose lines and refunds are loaded."""
        plain = {name: getattr(purchase, name) for name in cls.model_fields if name not in {"lines", "refunds"}}
        lines = [
            LineOut(
                product=line.product,
                category=line.category,
                quantity=f"{line.quantity.normalize():f}",
                amount_minor=line.amount_minor,
            )
            for line in purchase.lines
        ]
        refunds = [RefundOut.model_validate(each, from_attributes=True) for each in purchase.refunds]
        return cls(**plain, lines=lines, refunds=refunds)

    @classmethod
    def recorded(cls, purchase: Prepared, now: datetime) -> PurchaseOut:
        """Return a purchase that was recorded just now, without reading it back."""
        event, item = purchase.event(), purchase.item
        return cls(
            id=purchase.id,
            person_id=event.person_id,
            status="recorded",
            source=item.source if item.external_id is not None else None,
            external_id=item.external_id,
            amount_minor=purchase.amount_minor,
            discount_minor=purchase.discount_minor,
            discount_origin=purchase.discount_origin,
            refunded_minor=0,
            value_minor=purchase.amount_minor - purchase.discount_minor,
            currency=item.currency,
            lines=[LineOut.model_validate(line, from_attributes=True) for line in purchase.lines],
            refunds=[],
            coupon_id=purchase.coupon_id,
            intermediary_id=item.intermediary_id,
            agent_id=item.agent_id,
            channel=item.channel,
            occurred_at=purchase.occurred_at,
            recorded_at=now,
            cancelled_at=None,
        )


class PurchasePage(Page[PurchaseOut]):
    """A page of purchases."""

    model_config = ConfigDict(json_schema_extra=page(PURCHASE))


class RefundCreate(BaseModel):
    """Part of the value that is given back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown({"amount_minor": 500_000}))

    amount_minor: PositiveMoney = Field(examples=[500_000])
    occurred_at: Instant | None = Field(None, description="When it was; now unless given, not before the purchase.")


BULK_EXAMPLE: Final = {
    "items": [
        {
            "source": "shop",
            "external_id": "P-77120",
            "customer_external_id": "C-1042",
            "occurred_at": "2026-03-21T09:30:00+03:30",
            "amount_minor": 2_500_000,
            "lines": [{"product": "saffron-1g", "quantity": "2", "amount_minor": 2_500_000}],
        }
    ]
}
BULK_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "items": {"type": "array", "items": {"$ref": "#/components/schemas/PurchaseCreate"}}
                    },
                },
                "example": BULK_EXAMPLE,
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}
