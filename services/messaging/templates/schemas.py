"""Templates as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.contracts.messaging import MessageChannel, Purpose
from shared.web.fields import not_null

TemplateCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.\-]{0,63}$", examples=["thank_you"])]
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["order_number"])]
Value = Annotated[str, Field(max_length=2_000)] | int | float | bool

_BODIES: dict[str, Any] = {"fa": {"text": "{{ first_name }} عزیز، سفارش {{ order_number }} آماده است."}}


class BodySchema(BaseModel):
    """The texts of one locale, in Liquid."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=20_000, examples=["{{ first_name }} عزیز، سفارش شما آماده است."])
    subject: str | None = Field(None, max_length=500, examples=["سفارش شما آماده است"])
    html: str | None = Field(None, max_length=100_000, examples=["<p>{{ first_name }} عزیز، سفارش شما آماده است.</p>"])


Bodies = Annotated[dict[Literal["fa", "en"], BodySchema], Field(min_length=1)]


class TemplateCreate(BaseModel):
    """A new template. `variables` names what a sender has to give, beside what messaging fills by itself."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "code": "order_ready",
                "channel": "sms",
                "purpose": "transactional",
                "title": "Order ready",
                "title_fa": "سفارش آماده است",
                "variables": ["order_number"],
                "bodies": _BODIES,
            }
        },
    )

    code: TemplateCode
    channel: MessageChannel = "sms"
    purpose: Purpose
    title: str = Field(min_length=1, max_length=200)
    title_fa: str = Field(min_length=1, max_length=200)
    variables: list[VariableName] = Field(default=[], max_length=50)
    bodies: Bodies


class TemplatePatch(BaseModel):
    """What is to change; what is absent stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"bodies": _BODIES}})

    purpose: Purpose | None = None
    title: str | None = Field(None, min_length=1, max_length=200)
    title_fa: str | None = Field(None, min_length=1, max_length=200)
    variables: list[VariableName] | None = Field(None, max_length=50)
    bodies: Bodies | None = None

    _given = field_validator("*")(not_null)


_TEMPLATE: dict[str, Any] = {
    "code": "order_ready",
    "channel": "sms",
    "purpose": "transactional",
    "title": "Order ready",
    "title_fa": "سفارش آماده است",
    "variables": ["order_number"],
    "bodies": _BODIES,
    "version": 1,
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T09:00:00Z",
}


class TemplateOut(BaseModel):
    """A template."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _TEMPLATE},
    )

    code: str
    channel: MessageChannel
    purpose: Purpose
    title: str
    title_fa: str
    variables: list[str]
    bodies: dict[str, BodySchema]
    version: int
    created_at: datetime
    updated_at: datetime


class PreviewAsk(BaseModel):
    """Values to render with; without a `first_name` the text shows what somebody unknown by name would get."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"locale": "fa", "variables": {"first_name": "سارا", "order_number": 1042}}},
    )

    locale: Literal["fa", "en"] = "fa"
    variables: dict[str, Value] = Field(default={}, max_length=100)


class PreviewOut(BaseModel):
    """The text as a person would get it, and how many parts a panel bills for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "text": "سارا عزیز، سفارش ۱۰۴۲ آماده است.",
                "subject": None,
                "html": None,
                "encoding": "ucs2",
                "units": 32,
                "parts": 1,
                "characters": 32,
                "lint": None,
            }
        }
    )

    text: str
    subject: str | None
    html: str | None
    encoding: Literal["gsm7", "ucs2"] | None
    units: int | None
    parts: int | None
    characters: int
    lint: str | None = Field(description="Why it would not be sent as it is: too_long, opt_out_text_missing, …")


class TemplateList(BaseModel):
    """All templates that fit the filter, by code."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_TEMPLATE], "next_cursor": None}})

    items: list[TemplateOut]
    next_cursor: str | None = None
