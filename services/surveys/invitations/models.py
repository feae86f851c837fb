"""An invitation: a request to ask a person, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.surveys.orm import Base
from services.surveys.surveys.models import Survey
from shared.contracts.surveys import SurveyExpired, SurveyInvited, SurveyRefused


class Invitation(Base):
    """A request to ask a person. Refused ones are kept with the reason, so that why nobody was asked can be told.

    `person_id` stays as it was given when people are merged, and is null once they are erased. `survey_id` is null
    where nobody knows the code that was asked for. Until `expires_at` an answer is taken, also a second one.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'answered', 'expired', 'cancelled', 'refused')", name="status"),
        CheckConstraint("(status = 'refused') = (reason IS NOT NULL)", name="reason"),
        CheckConstraint("status = 'refused' OR survey_id IS NOT NULL AND expires_at IS NOT NULL", name="complete"),
        CheckConstraint("channel IN ('sms', 'email', 'api')", name="channel"),
        Index(None, "request_id", unique=True),
        Index(None, "requested_at", "id"),
        Index(None, "person_id", "requested_at", "id"),
        Index(None, "survey", "requested_at", "id"),
        Index(None, "status", "requested_at", "id"),
        Index(None, "reason", "requested_at", "id", postgresql_where=text("reason IS NOT NULL")),
        Index(None, "survey_id", "delivered_at"),
        Index(None, "expires_at", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    survey_id: Mapped[UUID | None] = mapped_column(ForeignKey("surveys.id"))
    survey: Mapped[str]
    person_id: Mapped[UUID | None]
    request_id: Mapped[UUID | None]
    status: Mapped[str]
    reason: Mapped[str | None]
    channel: Mapped[str]
    touchpoint: Mapped[str | None]
    product: Mapped[str | None]
    agent_id: Mapped[UUID | None]
    purchase_id: Mapped[UUID | None]
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]

    asks: Mapped[Survey | None] = relationship(lazy="raise", viewonly=True)

    def invited(self, survey: Survey, expires_at: datetime) -> SurveyInvited:
        """Return the event that has the question sent."""
        facts = self.facts(survey) | {"channel": self.channel, "template": survey.template, "expires_at": expires_at}
        return SurveyInvited(occurred_at=self.requested_at, invitation_id=self.id, **facts)

    def refused(self, survey: Survey, reason: str) -> SurveyRefused:
        """Return the event that says why the person is not asked."""
        return SurveyRefused(occurred_at=self.requested_at, reason=reason, **self.facts(survey))

    def expire(self, survey: Survey, *, at: datetime) -> SurveyExpired:
        """Close an open invitation that nobody answered."""
        self.status = "expired"
        return SurveyExpired(occurred_at=self.expires_at or at, invitation_id=self.id, **self.facts(survey))

    def facts(self, survey: Survey) -> dict[str, Any]:
        """Return what all events about this invitation say."""
        return {
            "person_id": self.person_id,
            "survey_id": survey.id,
            "survey": survey.code,
            "kind": survey.kind,
            "scale": survey.scale,
            "touchpoint": self.touchpoint,
            "product": self.product,
            "agent_id": self.agent_id,
            "purchase_id": self.purchase_id,
            "request_id": self.request_id,
        }
