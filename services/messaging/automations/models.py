"""Automations and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base


class Automation(Base):
    """What follows an event: `trigger` is the event's type, `condition` a tree over its payload."""

    __tablename__ = "automations"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str]
    title_fa: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default="true")
    trigger: Mapped[str]
    condition: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    delay_s: Mapped[int] = mapped_column(server_default="0")
    steps: Mapped[list[dict[str, Any]]]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("delay_s >= 0", name="delay"), Index("ix_automations_trigger", "trigger"))


class AutomationRun(Base):
    """One automation at work for one event. `steps` are the automation's as they were when the run began.

    `coupon` holds a code that is the person's own; it is emptied when they are erased.
    """

    __tablename__ = "automation_runs"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    automation: Mapped[str]
    event_id: Mapped[UUID]
    person_id: Mapped[UUID]
    status: Mapped[str]
    reason: Mapped[str | None]
    step: Mapped[int] = mapped_column(server_default="0")
    steps: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    context: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB(none_as_null=True), comment="the event's payload: codes, ids and numbers"
    )
    coupon: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    request_id: Mapped[UUID | None] = mapped_column(comment="of the coupon it waits for")
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status in ('running', 'waiting', 'done', 'skipped', 'cancelled')", name="status"),
        Index("uq_automation_runs_event", "automation", "event_id", unique=True),
        Index("uq_automation_runs_request", "request_id", unique=True, postgresql_where="request_id IS NOT NULL"),
        Index("ix_automation_runs_due", "due_at", postgresql_where="status in ('running', 'waiting')"),
        Index("ix_automation_runs_person_id", "person_id"),
    )
