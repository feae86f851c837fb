"""A touch: somebody spoke to a lead, or tried to, or it to us. Touches in their order are a lead's timeline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from services.leads.leads.response import By, Direction, answers, meets
from services.leads.tables import Base
from shared.contracts.leads import Channel, LeadSource
from shared.ids import derived_id

TouchKind = Literal["capture", "recapture", "touch", "reply"]
Instant = DateTime(timezone=True)


class Touch(Base):
    """One touch. One that `answers` keeps the question it answered, and how long that took in working seconds."""

    __tablename__ = "touches"
    __table_args__ = (Index("ix_touches_lead_id", "lead_id", "recorded_at", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    lead_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("leads.id"))
    kind: Mapped[TouchKind] = mapped_column(Text)
    direction: Mapped[Direction] = mapped_column(Text)
    channel: Mapped[Channel] = mapped_column(Text)
    by: Mapped[By] = mapped_column(Text)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    reached: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    source: Mapped[LeadSource | None] = mapped_column(Text)
    campaign: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    asks: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    answers: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    question_asked_at: Mapped[datetime | None] = mapped_column(Instant)
    response_due_at: Mapped[datetime | None] = mapped_column(Instant)
    response_s: Mapped[int | None]
    in_time: Mapped[bool | None]
    occurred_at: Mapped[datetime] = mapped_column(Instant)
    recorded_at: Mapped[datetime] = mapped_column(Instant)

    @property
    def of_their_own_accord(self) -> bool:
        """Tell whether the person came to us, and does not merely stand in a list that was imported."""
        return self.by == "person" and self.source != "import"

    def is_attempt(self, *, unreached_counts: bool) -> bool:
        """Tell whether this answers a question that waits: somebody of ours spoke to the person, or tried to."""
        if self.source is not None:
            return meets(self.direction, self.source)
        return answers(self.direction, self.channel, self.by, reached=self.reached, unreached_counts=unreached_counts)

    def answer(self, *, asked_at: datetime, due_at: datetime, response: timedelta) -> None:
        """Take this touch as the answer to the question asked at `asked_at`.

        It counts from its recording, not from when it is said to have occurred: nobody answers in the past.
        """
        self.answers = True
        self.question_asked_at, self.response_due_at = asked_at, due_at
        self.response_s, self.in_time = int(response.total_seconds()), self.recorded_at <= due_at


def copy_id(touch_id: UUID) -> UUID:
    """Return the id of what a touch is copied as for a newcomer, who was taken for somebody erased."""
    return derived_id(touch_id, "copy")
