"""What the API takes and gives of invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.surveys.schemas import Channel
from shared.web import Page
from shared.web.fields import Code

Status = Literal["open", "answered", "expired", "cancelled", "refused"]

PERSON = "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d12"
EXAMPLE: dict[str, Any] = {
    "survey": "csat_purchase",
    "person_id": PERSON,
    "channel": "sms",
    "touchpoint": "purchase",
    "product": "tea-500",
    "purchase_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d13",
}


EXAMPLE_OUT: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d14",
    "survey_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    **EXAMPLE,
    "request_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d16",
    "status": "open",
    "reason": None,
    "agent_id": None,
    "requested_at": "2026-11-22T08:30:00Z",
    "expires_at": "2026-12-06T08:30:00Z",
    "delivered_at": None,
}
REPLY: dict[str, Any] = {"number": "2", "outcome": "answered", "received_at": "2026-11-22T09:00:00Z"}


class InvitationCreate(BaseModel):
    """Whom to ask, and what about."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    survey: Code = Field(description="Code of the survey.")
    person_id: UUID
    channel: Channel | None = Field(
        None, description="`api`: the caller asks, and posts the answer. The survey's own by default."
    )
    touchpoint: Code | None = None
    product: Code | None = None
    agent_id: UUID | None = None
    purchase_id: UUID | None = None


class InvitationOut(BaseModel):
    """A request to ask a person, and what became of it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [EXAMPLE_OUT]},
    )

    id: UUID
    survey_id: UUID | None = Field(description="Null where there is no survey of that code.")
    survey: str
    person_id: UUID | None = Field(description="Null once the person is erased.")
    request_id: UUID | None
    status: Status
    reason: str | None = Field(
        description="Why it was refused: fatigue, survey_interval, not_sampled, inactive, erased, unknown_survey."
    )
    channel: Channel
    touchpoint: str | None
    product: str | None
    agent_id: UUID | None
    purchase_id: UUID | None
    requested_at: datetime
    expires_at: datetime | None
    delivered_at: datetime | None


class ReplyOut(BaseModel):
    """A reply that came by SMS."""

    model_config = ConfigDict(from_attributes=True)

    number: str | None = Field(description="What was sent; null once the person is erased.")
    outcome: Literal["answered", "off_scale", "late", "older"] = Field(
        description="Taken as the answer, or ignored: not on the scale, after its time, or sent before the answer."
    )
    received_at: datetime


class InvitationDetail(InvitationOut):
    """An invitation with the replies that came by SMS."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE_OUT, "status": "answered", "replies": [REPLY]}]}
    )

    replies: list[ReplyOut]


class InvitationPage(Page[InvitationOut]):
    """A page of invitations."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_OUT], "next_cursor": None}]})
