"""A survey: a question on a scale, asked by a template of messaging's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, text, true
from sqlalchemy.orm import Mapped, mapped_column

from services.surveys.orm import Base
from services.surveys.scales import RULES, Rule

KINDS_AND_SCALES = " OR ".join(f"kind = '{kind}' AND scale = '{scale}'" for kind, scale in RULES)


class Survey(Base):
    """A survey. Kind and scale never change, as answers on two scales are not pooled.

    `interval_days` is the time that has to pass before the same person is asked the same again, beside the interval
    across all surveys.
    """

    __tablename__ = "surveys"
    __table_args__ = (
        CheckConstraint(KINDS_AND_SCALES, name="kind_and_scale"),
        CheckConstraint("channel IN ('sms', 'email', 'api')", name="channel"),
        CheckConstraint("sampling_percent BETWEEN 0 AND 100", name="sampling_percent"),
        CheckConstraint("interval_days BETWEEN 1 AND 3650", name="interval_days"),
        CheckConstraint("valid_days BETWEEN 1 AND 365", name="valid_days"),
        Index(None, "code", unique=True),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    kind: Mapped[str]
    scale: Mapped[str]
    title: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="sms")
    template: Mapped[str | None]
    touchpoint: Mapped[str | None]
    sampling_percent: Mapped[int] = mapped_column(Integer, server_default=text("100"))
    interval_days: Mapped[int | None] = mapped_column(Integer)
    valid_days: Mapped[int] = mapped_column(Integer, server_default=text("14"))
    active: Mapped[bool] = mapped_column(server_default=true())
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def rule(self) -> Rule:
        """Return the scale's ends and categories."""
        return RULES[self.kind, self.scale]
