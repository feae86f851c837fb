"""Tickets as the API takes and gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.customers.examples import AGENT_ID, TICKET, TICKET_CREATE, page, shown
from services.customers.fields import LongText, ShortText
from services.customers.tickets.models import Cause, Ticket
from shared.web import Page
from shared.web.fields import Code

Kind = Literal["question", "problem", "request", "complaint"]
Priority = Literal["low", "normal", "high", "urgent"]
Status = Literal["open", "answered", "resolved"]


class TicketCreate(BaseModel):
    """What a customer asks, wants or complains of."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown(TICKET_CREATE))

    person_id: UUID
    kind: Kind = Field(examples=["complaint"])
    priority: Priority = "normal"
    subject: ShortText | None = Field(None, examples=["بسته دیر رسید"])
    text: LongText | None = Field(None, examples=["سفارش من سه روز دیرتر از موعد رسید."])
    product: Code | None = Field(None, examples=["saffron-1g"])
    channel: Code | None = Field(None, examples=["call"])
    purchase_id: UUID | None = Field(None, description="Which purchase it is about, whoever bought.")
    agent_id: UUID | None = Field(None, description="Who shall see to it; a complaint goes to a manager unless given.")


class AssignIn(BaseModel):
    """Who is to see to a ticket from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown({"agent_id": AGENT_ID}))

    agent_id: UUID


class AnswerIn(BaseModel):
    """What the customer was told."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown({"text": TICKET["answers"][0]["text"]}))

    text: LongText = Field(examples=["بابت دیرکرد پوزش می‌خواهیم؛ هزینهٔ ارسال را برگرداندیم."])
    agent_id: UUID | None = Field(None, description="Who answered; the token's agent unless given.")


class ResolveIn(BaseModel):
    """Why there was a ticket at all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown({"cause": "delivery"}))

    cause: Cause = Field(description="What caused it.", examples=["delivery"])


class TicketAnswerOut(BaseModel):
    """Something that the customer was told. The text is left out without the scope `pii:read`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: UUID | None
    text: str | None
    answered_at: datetime


class TicketOut(BaseModel):
    """A ticket. What was written in it is left out without the scope `pii:read`."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra=shown(TICKET))

    id: UUID
    person_id: UUID
    kind: Kind
    priority: Priority
    status: Status
    subject: str | None = Field(examples=["بسته دیر رسید"])
    text: str | None
    product: str | None = Field(examples=["saffron-1g"])
    channel: str | None
    purchase_id: UUID | None
    answer_id: UUID | None = Field(description="The survey answer that led to it.")
    for_manager: bool
    agent_id: UUID | None
    cause: Cause | None
    opened_at: datetime
    first_answered_at: datetime | None
    resolved_at: datetime | None
    reopened: int = Field(description="How often it was opened again; its clock runs from `opened_at` all the same.")
    answers: list[TicketAnswerOut] = Field(default_factory=list)

    @classmethod
    def of(cls, ticket: Ticket, *, personal: bool) -> TicketOut:
        """Return a ticket whose answers are loaded."""
        out = cls.model_validate(ticket)
        if not personal:
            out.subject = out.text = None
            for answer in out.answers:
                answer.text = None
        return out


class TicketPage(Page[TicketOut]):
    """A page of tickets."""

    model_config = ConfigDict(json_schema_extra=page(TICKET))
