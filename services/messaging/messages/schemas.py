"""Messages as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.messaging.messages.settling import Outcome
from services.messaging.templates.schemas import TemplateCode, Value
from shared.contracts.messaging import MessageChannel, Purpose
from shared.web import Page

StatusName = Literal[
    "queued", "held", "sending", "sent", "delivered", "undelivered", "failed", "suppressed", "cancelled", "unknown"
]

_PERSON = "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d12"


class MessageCreate(BaseModel):
    """A message to one person: by `template` with its `variables`, or with a `text` of its own.

    A text of its own needs a `purpose`, and goes out over `channel`; a template has both.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"person_id": _PERSON, "template": "order_ready", "variables": {"order_number": 1042}}
        },
    )

    person_id: UUID
    template: TemplateCode | None = None
    variables: dict[str, Value] = Field(default={}, max_length=100)
    text: str | None = Field(None, min_length=1, max_length=5_000, examples=["سارا عزیز، سفارش شما آماده است."])
    subject: str | None = Field(None, max_length=500)
    channel: MessageChannel = "sms"
    purpose: Purpose | None = None


_MESSAGE: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    "person_id": _PERSON,
    "channel": "sms",
    "purpose": "service",
    "status": "delivered",
    "reason": None,
    "template": "thank_you",
    "automation": "thank_you_coupon",
    "address": "+989990001234",
    "subject": None,
    "text": "سارا عزیز، از خرید شما سپاسگزاریم.",
    "parts": 1,
    "cost": "1",
    "line": "30007732000000",
    "account_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d13",
    "attempts": 1,
    "invitation_id": None,
    "coupon_id": None,
    "lead_id": None,
    "due_at": "2026-11-22T09:00:00Z",
    "created_at": "2026-11-22T09:00:00Z",
    "sent_at": "2026-11-22T09:00:01Z",
    "ended_at": "2026-11-22T09:00:03Z",
}


class MessageOut(BaseModel):
    """A message. Its text and address are shown to who may see personal data, until the person is erased."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _MESSAGE},
    )

    id: UUID
    person_id: UUID
    channel: MessageChannel
    purpose: Purpose
    status: StatusName
    reason: str | None = Field(description="Why it is held, suppressed, failed or unknown.")
    template: str | None
    automation: str | None
    address: str | None = Field(description="Where it went; masked without pii:read.")
    subject: str | None
    text: str | None = Field(description="As it was sent; null before that, and without pii:read.")
    parts: int | None
    cost: Decimal | None
    line: str | None
    account_id: UUID | None
    attempts: int
    invitation_id: UUID | None
    coupon_id: UUID | None
    lead_id: UUID | None
    due_at: datetime = Field(description="When it is looked at next, while it waits: until when it is held.")
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


_DECISION: dict[str, Any] = {
    "decided_at": "2026-11-22T20:00:00Z",
    "outcome": "hold",
    "reason": "outside_hours",
    "steps": [
        {"step": "person", "outcome": "pass", "reason": None},
        {"step": "hours", "outcome": "hold", "reason": "outside_hours", "until": "2026-11-23T04:30:00Z"},
    ],
}


class DecisionOut(BaseModel):
    """What the decision chain said at one time: its steps in order, up to the one that stopped the message."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _DECISION},
    )

    decided_at: datetime
    outcome: Literal["pass", "hold", "suppress", "fail"]
    reason: str | None
    steps: list[dict[str, Any]]


class Decisions(BaseModel):
    """Every decision about a message, the first one first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_DECISION], "next_cursor": None}})

    items: list[DecisionOut]
    next_cursor: str | None = None


class Settlement(BaseModel):
    """What became of a message that stays unknown, as somebody found out, or what is to become of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"outcome": "sent"}})

    outcome: Outcome = Field(
        description="`sent`: it arrived, or may be taken as sent. `send_again`: the receiver may get it twice."
    )


class MessagePage(Page[MessageOut]):
    """A page of messages."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_MESSAGE], "next_cursor": None}})
