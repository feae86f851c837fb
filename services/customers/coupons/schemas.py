"""Coupons as the API takes and gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.customers.coupons.usecases import MOST_VALID_DAYS
from services.customers.examples import COUPON, PERSON_ID, page, shown
from services.customers.fields import PositiveMoney
from shared.web import Page
from shared.web.fields import Code, Currency


class CouponCreate(BaseModel):
    """A coupon made by hand: a percentage, or an amount."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=shown({"person_id": PERSON_ID, "discount_percent": 10, "reason": "apology"}),
    )

    person_id: UUID
    discount_percent: Annotated[int, Field(strict=True, ge=1, le=100)] | None = Field(None, examples=[10])
    discount_minor: PositiveMoney | None = Field(None, examples=[None])
    currency: Currency = "IRR"
    valid_days: Annotated[int, Field(strict=True, ge=1, le=MOST_VALID_DAYS)] = Field(30, examples=[30])
    reason: Code = Field("by_hand", examples=["apology"])

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if (self.discount_percent is None) == (self.discount_minor is None):
            raise ValueError("give discount_percent or discount_minor, one of the two")
        return self


class CouponOut(BaseModel):
    """A coupon, good once, for one person. One that was redeemed stays so when the purchase is cancelled."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=shown(COUPON))

    id: UUID
    person_id: UUID
    code: str = Field(examples=["K7QMX3NARW"])
    status: Literal["issued", "redeemed"]
    discount_percent: int | None = Field(examples=[10])
    discount_minor: int | None = Field(examples=[None])
    currency: str = Field(examples=["IRR"])
    reason: str = Field(examples=["thank_you"])
    request_id: UUID | None
    issued_at: datetime
    valid_until: datetime
    redeemed_at: datetime | None
    purchase_id: UUID | None


class CouponPage(Page[CouponOut]):
    """A page of coupons."""

    model_config = ConfigDict(json_schema_extra=page(COUPON))
