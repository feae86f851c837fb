"""An answer, the loop that a bad one opens, and the replies that came by SMS."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.surveys.invitations.models import Invitation
from services.surveys.orm import Base
from services.surveys.scales import UNHAPPY
from services.surveys.surveys.models import Survey
from shared.contracts.surveys import LoopClosed, SurveyAnswered
from shared.ids import derived_id


class Answer(Base):
    """The answer to an invitation; a second one replaces the first, under the same id.

    The category is decided when the answer is given. The loop opens with the first bad answer and is closed once, by
    what is told to the customer about it, whatever they answer meanwhile. What it is about is what its invitation says,
    kept here too for the lists.
    """

    __tablename__ = "answers"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'email', 'api')", name="channel"),
        Index(None, "invitation_id", unique=True),
        Index(None, "answered_at", "id"),
        Index(None, "survey_id", "answered_at", "id"),
        Index(None, "category", "answered_at", "id"),
        Index(None, "touchpoint", "answered_at", "id", postgresql_where=text("touchpoint IS NOT NULL")),
        Index(None, "product", "answered_at", "id", postgresql_where=text("product IS NOT NULL")),
        Index(None, "agent_id", "answered_at", "id", postgresql_where=text("agent_id IS NOT NULL")),
        Index(
            "ix_answers_open_loops",
            "answered_at",
            "id",
            postgresql_where=text("loop_opened_at IS NOT NULL AND loop_closed_at IS NULL"),
        ),
        Index(
            "ix_answers_closed_loops",
            "answered_at",
            "id",
            postgresql_where=text("loop_opened_at IS NOT NULL AND loop_closed_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invitation_id: Mapped[UUID] = mapped_column(ForeignKey("invitations.id"))
    survey_id: Mapped[UUID] = mapped_column(ForeignKey("surveys.id"))
    value: Mapped[int] = mapped_column(Integer)
    category: Mapped[str]
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    channel: Mapped[str]
    touchpoint: Mapped[str | None]
    product: Mapped[str | None]
    agent_id: Mapped[UUID | None]
    answered_at: Mapped[datetime]
    loop_opened_at: Mapped[datetime | None]
    loop_closed_at: Mapped[datetime | None]
    loop_ticket_id: Mapped[UUID | None]

    invitation: Mapped[Invitation] = relationship(lazy="raise", viewonly=True)

    @classmethod
    def to(cls, invitation: Invitation, survey: Survey) -> Answer:
        """Return the answer to an invitation that is about to be given for the first time."""
        about = {name: getattr(invitation, name) for name in ("touchpoint", "product", "agent_id")}
        answer_id = derived_id(invitation.id, "answer")
        return cls(id=answer_id, invitation_id=invitation.id, survey_id=survey.id, revision=1, **about)

    def give(self, value: int, *, survey: Survey, channel: str, at: datetime) -> None:
        """Take a value that is on the survey's scale."""
        self.value, self.category, self.channel, self.answered_at = value, survey.rule.category(value), channel, at
        if self.category in UNHAPPY and self.loop_opened_at is None:
            self.loop_opened_at = at

    def answered(self, invitation: Invitation, survey: Survey) -> SurveyAnswered:
        """Return the event that tells of the answer."""
        return SurveyAnswered(
            occurred_at=self.answered_at,
            answer_id=self.id,
            invitation_id=self.invitation_id,
            revision=self.revision,
            value=self.value,
            category=self.category,  # type: ignore[arg-type]
            channel=self.channel,
            **invitation.facts(survey),
        )

    def close_loop(self, ticket_id: UUID, invitation: Invitation, survey: Survey, *, at: datetime) -> LoopClosed | None:
        """Close the loop with a ticket that was answered; None where it is closed already."""
        if self.loop_closed_at is not None:
            return None
        opened_at = self.loop_opened_at or self.answered_at
        self.loop_opened_at, self.loop_closed_at, self.loop_ticket_id = opened_at, max(at, opened_at), ticket_id
        return LoopClosed(
            occurred_at=at,
            answer_id=self.id,
            ticket_id=ticket_id,
            after_s=int((self.loop_closed_at - opened_at).total_seconds()),
            **invitation.facts(survey),
        )


class Reply(Base):
    """A number that was sent in reply to a question: its answer, or ignored, and why. Each reply is read once."""

    __tablename__ = "replies"
    __table_args__ = (
        CheckConstraint("outcome IN ('answered', 'off_scale', 'late', 'older')", name="outcome"),
        Index(None, "invitation_id"),
    )

    reply_id: Mapped[UUID] = mapped_column(primary_key=True)
    invitation_id: Mapped[UUID] = mapped_column(ForeignKey("invitations.id"))
    number: Mapped[str | None]
    outcome: Mapped[str]
    received_at: Mapped[datetime]
