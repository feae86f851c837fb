"""Suppressions as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.messaging import MessageChannel, Purpose
from shared.persian.email_address import Email
from shared.persian.phone import Mobile
from shared.web import Page


class SuppressionCreate(BaseModel):
    """An address that is to get nothing; from one `line` only, or for one `purpose` only, where that is given."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"phone": "09990001234", "purpose": "promotional"}}
    )

    phone: Mobile | None = None
    email: Email | None = None
    line: str | None = Field(None, max_length=254, examples=["30007732000000"])
    purpose: Purpose | None = None
    person_id: UUID | None = None


_SUPPRESSION: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    "channel": "sms",
    "line": "30007732000000",
    "purpose": None,
    "source": "reply",
    "person_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d12",
    "created_at": "2026-11-22T09:00:00Z",
}


class SuppressionOut(BaseModel):
    """A suppression. The address is not in it: only a keyed hash of it is kept. Null line or purpose: all of them."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _SUPPRESSION},
    )

    id: UUID
    channel: MessageChannel
    line: str | None
    purpose: Purpose | None
    source: Literal["reply", "api", "link", "operator"]
    person_id: UUID | None
    created_at: datetime


class SuppressionPage(Page[SuppressionOut]):
    """A page of suppressions."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_SUPPRESSION], "next_cursor": None}})
