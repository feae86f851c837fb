"""Provider accounts as the API shows and takes them. Secrets go in and never come out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.contracts.messaging import Purpose
from shared.web.fields import Flag, Number, Whole, not_null

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["08:00"])]

_LINE: dict[str, Any] = {
    "number": "30007732000000",
    "purposes": ["transactional", "service", "promotional"],
    "hours": {"promotional": ["08:00", "21:00"]},
}


class LineIn(BaseModel):
    """A line of the account, or for `smtp` the address that mail is sent from.

    `hours` gives `[from, to)` by purpose in the deployment's zone; equal times mean the whole day. A purpose that is
    not in it goes at any hour, but promotion from 08:00 to 21:00.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _LINE})

    number: str = Field(min_length=3, max_length=254)
    purposes: list[Purpose] = Field(min_length=1)
    hours: dict[Purpose, tuple[Clock, Clock]] | None = None


class FieldMapping(BaseModel):
    """Names that a panel gives its webhooks' fields, where they are not the usual ones."""

    model_config = ConfigDict(extra="forbid")

    delivery: dict[Literal["id", "status"], str] = {}
    inbound: dict[Literal["id", "from", "to", "text", "at"], str] = {}


class ProviderCreate(BaseModel):
    """A new account. `base_url` is the panel's address, or `host:port` of a mail server; `secret` key or password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "panel",
                "kind": "smsir",
                "base_url": "https://api.sms.ir/v1",
                "secret": "the panel's API key",
                "rate_per_s": 50,
                "lines": [_LINE],
            }
        },
    )

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["smsir", "smtp"]
    base_url: str = Field(min_length=3, max_length=500)
    username: str = Field("", max_length=254)
    secret: str = Field(max_length=1000)
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="Of the connection to a mail server.")
    rate_per_s: Number = Field(100, gt=0, le=10_000, description="Messages a second.")
    priority: Whole = Field(100, ge=0, le=1000, description="Of the accounts that fit, the lowest is used.")
    fields: FieldMapping = FieldMapping()
    lines: list[LineIn] = Field(min_length=1, max_length=100)


class ProviderPatch(BaseModel):
    """What is to change; what is absent stays. `paused: false` takes a paused account into use again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"paused": False}})

    name: str | None = Field(None, min_length=1, max_length=100)
    base_url: str | None = Field(None, min_length=3, max_length=500)
    username: str | None = Field(None, max_length=254)
    secret: str | None = Field(None, max_length=1000)
    security: Literal["starttls", "tls", "none"] | None = None
    rate_per_s: Number | None = Field(None, gt=0, le=10_000)
    priority: Whole | None = Field(None, ge=0, le=1000)
    fields: FieldMapping | None = None
    lines: list[LineIn] | None = Field(None, min_length=1, max_length=100)
    active: Flag | None = None
    paused: Flag | None = None

    _given = field_validator("*")(not_null)


class LineOut(BaseModel):
    """A line."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _LINE})

    number: str
    purposes: list[Purpose]
    hours: dict[str, Any]


_ACCOUNT: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    "name": "panel",
    "kind": "smsir",
    "base_url": "https://api.sms.ir/v1",
    "username": "",
    "config": {},
    "priority": 100,
    "rate_per_s": 50,
    "active": True,
    "paused_reason": None,
    "paused_at": None,
    "credit": "12000",
    "credit_at": "2026-11-22T09:00:00Z",
    "lines": [_LINE],
    "version": 1,
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T09:00:00Z",
}


class ProviderOut(BaseModel):
    """An account. `credit` is what the panel says: with sms.ir the number of messages left."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _ACCOUNT})

    id: UUID
    name: str
    kind: Literal["smsir", "smtp"]
    base_url: str
    username: str
    config: dict[str, Any]
    priority: int
    rate_per_s: float
    active: bool
    paused_reason: str | None
    paused_at: datetime | None
    credit: Decimal | None
    credit_at: datetime | None
    lines: list[LineOut]
    version: int
    created_at: datetime
    updated_at: datetime


_WEBHOOKS: dict[str, Any] = {
    kind: f"/webhooks/019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11/kP3v…/{kind}" for kind in ("delivery", "inbound")
}


class ProviderCreated(ProviderOut):
    """An account just made, with the paths of its webhooks. They hold a secret that is shown this once."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"example": {**_ACCOUNT, "webhook_paths": _WEBHOOKS}}
    )

    webhook_paths: dict[str, str]


class WebhookPaths(BaseModel):
    """Paths of an account's webhooks. They hold a secret that is shown this once."""

    model_config = ConfigDict(json_schema_extra={"example": {"webhook_paths": _WEBHOOKS}})

    webhook_paths: dict[str, str]


class ProviderList(BaseModel):
    """All accounts, in the order of preference."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_ACCOUNT], "next_cursor": None}})

    items: list[ProviderOut]
    next_cursor: str | None = None
