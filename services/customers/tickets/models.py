"""A ticket, its answers, and the copy of who the agents are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.customers.orm import Base
from services.customers.tickets.errors import TicketIsNotResolved, TicketIsResolved
from shared.contracts.customers import (
    TicketAnswered,
    TicketAssigned,
    TicketEvent,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.ids import new_id

E = TypeVar("E", bound=TicketEvent)
Cause = Literal["product", "delivery", "staff", "customer_error", "price", "other"]


class Ticket(Base):
    """What a customer asked or complained of. `person_id` stays as it was published when people are merged.

    `invitation_id` is the survey invitation whose answer opened it: however often that answer is changed, one ticket.
    A reopened ticket keeps `opened_at`, and so its clock.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        CheckConstraint("kind IN ('question', 'problem', 'request', 'complaint')", name="kind"),
        CheckConstraint("priority IN ('low', 'normal', 'high', 'urgent')", name="priority"),
        CheckConstraint("status IN ('open', 'answered', 'resolved')", name="status"),
        CheckConstraint("cause IN ('product', 'delivery', 'staff', 'customer_error', 'price', 'other')", name="cause"),
        Index("uq_tickets_invitation_id", "invitation_id", unique=True),
        Index("ix_tickets_person_id_opened_at_id", "person_id", "opened_at", "id"),
        Index("ix_tickets_person_id_status_opened_at_id", "person_id", "status", "opened_at", "id"),
        Index(
            "ix_tickets_of_a_person_for_manager", "person_id", "opened_at", "id", postgresql_where=text("for_manager")
        ),
        Index("ix_tickets_opened_at_id", "opened_at", "id"),
        Index("ix_tickets_status_opened_at_id", "status", "opened_at", "id"),
        Index("ix_tickets_kind_opened_at_id", "kind", "opened_at", "id"),
        Index("ix_tickets_priority_opened_at_id", "priority", "opened_at", "id"),
        Index("ix_tickets_for_manager", "opened_at", "id", postgresql_where=text("for_manager")),
        Index("ix_tickets_product_opened_at_id", "product", "opened_at", "id"),
        Index(
            "ix_tickets_agent_id_opened_at_id",
            "agent_id",
            "opened_at",
            "id",
            postgresql_where=text("agent_id IS NOT NULL"),
        ),
        Index("ix_tickets_agent_id", "agent_id", postgresql_where=text("status <> 'resolved'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    kind: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default="normal", default="normal")
    status: Mapped[str] = mapped_column(server_default="open", default="open")
    subject: Mapped[str | None]
    text: Mapped[str | None]
    product: Mapped[str | None]
    channel: Mapped[str | None]
    purchase_id: Mapped[UUID | None]
    answer_id: Mapped[UUID | None]
    invitation_id: Mapped[UUID | None]
    for_manager: Mapped[bool] = mapped_column(server_default=false(), default=False)
    agent_id: Mapped[UUID | None]
    cause: Mapped[str | None]
    opened_at: Mapped[datetime]
    first_answered_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    reopened: Mapped[int] = mapped_column(server_default="0", default=0)

    answers: Mapped[list[TicketAnswer]] = relationship(order_by="TicketAnswer.answered_at", lazy="raise", viewonly=True)

    def opened(self) -> TicketOpened:
        """Return the event that says the ticket was opened."""
        return self._event(
            TicketOpened,
            at=self.opened_at,
            priority=self.priority,
            for_manager=self.for_manager,
            purchase_id=self.purchase_id,
            channel=self.channel,
        )

    def assign(self, agent_id: UUID, *, at: datetime) -> TicketAssigned | None:
        """Hand the ticket to an agent; None if it is theirs already."""
        self._refuse_resolved()
        if self.agent_id == agent_id:
            return None
        previous, self.agent_id = self.agent_id, agent_id
        return self._event(TicketAssigned, at=at, previous_agent_id=previous)

    def answer(self, text: str, *, agent_id: UUID | None, at: datetime) -> tuple[TicketAnswer, TicketAnswered]:
        """Record what the customer was told."""
        self._refuse_resolved()
        first = self.first_answered_at is None
        self.first_answered_at = self.first_answered_at or at
        self.status = "answered"
        answer = TicketAnswer(id=new_id(), ticket_id=self.id, agent_id=agent_id, text=text, answered_at=at)
        return answer, self._event(TicketAnswered, at=at, first=first, opened_at=self.opened_at)

    def resolve(self, cause: Cause, *, at: datetime) -> TicketResolved:
        """Close the ticket with what had caused it."""
        self._refuse_resolved()
        self.status, self.cause, self.resolved_at = "resolved", cause, at
        return self._event(TicketResolved, at=at, cause=cause, opened_at=self.opened_at)

    def reopen(self, *, at: datetime) -> TicketReopened:
        """Open a resolved ticket again; what has caused it is open too."""
        if self.status != "resolved":
            raise TicketIsNotResolved(self.id)
        self.status, self.cause, self.resolved_at = "open", None, None
        self.reopened += 1
        return self._event(TicketReopened, at=at, opened_at=self.opened_at)

    def _refuse_resolved(self) -> None:
        if self.status == "resolved":
            raise TicketIsResolved(self.id)

    def _event(self, event: type[E], *, at: datetime, **fields: Any) -> E:
        return event(
            ticket_id=self.id,
            person_id=self.person_id,
            kind=self.kind,  # type: ignore[arg-type]
            product=self.product,
            agent_id=self.agent_id,
            answer_id=self.answer_id,
            occurred_at=at,
            **fields,
        )


class TicketAnswer(Base):
    """What a customer was told about a ticket; `text` is null once the customer was erased."""

    __tablename__ = "ticket_answers"
    __table_args__ = (Index("ix_ticket_answers_ticket_id", "ticket_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    agent_id: Mapped[UUID | None]
    text: Mapped[str | None]
    answered_at: Mapped[datetime]


class Agent(Base):
    """Copy of an agent of the leads service."""

    __tablename__ = "agents"
    __table_args__ = {"schema": "state"}

    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    team: Mapped[str | None]
    manager_id: Mapped[UUID | None]
    on_duty: Mapped[bool] = mapped_column(server_default=true())
    active: Mapped[bool] = mapped_column(server_default=true())
    version: Mapped[int]
