"""What the API takes and gives of answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.answers.models import Answer
from services.surveys.fields import TypedNumber
from services.surveys.invitations.models import Invitation
from services.surveys.surveys.schemas import Channel
from shared.contracts.surveys import Category
from shared.web import Page

Loop = Literal["open", "closed"]

INVITATION = "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d14"

EXAMPLE_OUT: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d15",
    "invitation_id": INVITATION,
    "survey": "csat_purchase",
    "person_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d12",
    "value": 2,
    "category": "unsatisfied",
    "revision": 1,
    "channel": "sms",
    "touchpoint": "purchase",
    "product": "tea-500",
    "agent_id": None,
    "purchase_id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d13",
    "answered_at": "2026-11-22T09:00:00Z",
    "loop": "open",
    "loop_opened_at": "2026-11-22T09:00:00Z",
    "loop_closed_at": None,
    "loop_after_s": None,
    "ticket_id": None,
}


class AnswerCreate(BaseModel):
    """An answer to an invitation."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"invitation_id": INVITATION, "value": 2}]}
    )

    invitation_id: UUID
    value: TypedNumber = Field(
        description="A value of the survey's scale; digits may be Persian if it is sent as text."
    )


class AnswerOut(BaseModel):
    """An answer. `revision` counts how often it was given."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_OUT]})

    id: UUID
    invitation_id: UUID
    survey: str
    person_id: UUID | None = Field(description="Null once the person is erased.")
    value: int
    category: Category
    revision: int
    channel: Channel
    touchpoint: str | None
    product: str | None
    agent_id: UUID | None
    purchase_id: UUID | None
    answered_at: datetime
    loop: Loop | None = Field(
        description="Whether one who answered badly has been answered; null where none is needed."
    )
    loop_opened_at: datetime | None
    loop_closed_at: datetime | None
    loop_after_s: int | None = Field(description="Seconds from the bad answer to what the customer was told.")
    ticket_id: UUID | None

    @classmethod
    def of(cls, answer: Answer, invitation: Invitation) -> AnswerOut:
        """Return an answer as it is shown."""
        opened, closed = answer.loop_opened_at, answer.loop_closed_at
        return cls(
            **{name: getattr(answer, name) for name in ("id", "value", "category", "revision", "channel")},
            **{name: getattr(invitation, name) for name in ("touchpoint", "product", "agent_id", "purchase_id")},
            invitation_id=invitation.id,
            survey=invitation.survey,
            person_id=invitation.person_id,
            answered_at=answer.answered_at,
            loop=("closed" if closed else "open") if opened else None,
            loop_opened_at=opened,
            loop_closed_at=closed,
            loop_after_s=int((closed - opened).total_seconds()) if opened and closed else None,
            ticket_id=answer.loop_ticket_id,
        )


class AnswerPage(Page[AnswerOut]):
    """A page of answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_OUT], "next_cursor": None}]})
