"""Messages, the decisions about them, and what is on its way."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base


class Message(Base):
    """One intent to reach one person. Address, texts and `variables` are personal, and emptied when they are erased."""

    __tablename__ = "messages"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    intent_key: Mapped[str] = mapped_column(comment="one intent gives at most one message")
    person_id: Mapped[UUID]
    about_id: Mapped[UUID | None] = mapped_column(comment="whom a message to staff speaks of")
    channel: Mapped[str]
    purpose: Mapped[str]
    lane: Mapped[int] = mapped_column(SmallInteger)
    template: Mapped[str | None]
    variables: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    body: Mapped[str | None] = mapped_column(comment="the text of a message without a template")
    automation: Mapped[str | None]
    invitation_id: Mapped[UUID | None]
    coupon_id: Mapped[UUID | None]
    lead_id: Mapped[UUID | None]
    needs_topic: Mapped[str | None] = mapped_column(comment="contact topic of the card that it waits for")
    needs_version: Mapped[int] = mapped_column(BigInteger, server_default="0")

    status: Mapped[str] = mapped_column(server_default="queued")
    reason: Mapped[str | None]
    due_at: Mapped[datetime] = mapped_column(comment="when somebody has to look at it next")
    not_after: Mapped[datetime] = mapped_column(comment="later than this it is stale")
    attempts: Mapped[int] = mapped_column(server_default="0")

    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("provider_accounts.id"))
    line: Mapped[str | None]
    address: Mapped[str | None]
    subject: Mapped[str | None]
    text: Mapped[str | None]
    html: Mapped[str | None]
    parts: Mapped[int | None]
    cost: Mapped[Decimal | None] = mapped_column(Numeric)
    flight: Mapped[bytes | None] = mapped_column(LargeBinary, comment="digest of line, address and text")
    """Written by the version before alone, and read by none."""
    send_id: Mapped[UUID | None] = mapped_column(comment="of the latest attempt")
    started_at: Mapped[datetime | None] = mapped_column(comment="of the latest attempt")
    lease_until: Mapped[datetime | None]
    provider_id: Mapped[str | None] = mapped_column(comment="the provider's id of it")
    pack_id: Mapped[str | None]
    polls: Mapped[int] = mapped_column(server_default="0")
    poll_at: Mapped[datetime | None]

    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        CheckConstraint("purpose in ('transactional', 'service', 'promotional')", name="purpose"),
        CheckConstraint(
            "status in ('queued', 'held', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'suppressed',"
            " 'cancelled', 'unknown')",
            name="status",
        ),
        Index("uq_messages_intent_key", "intent_key", unique=True),
        Index("ix_messages_due", "lane", "due_at", postgresql_where="status in ('queued', 'held')"),
        Index(
            "ix_messages_due_by_channel", "lane", "channel", "due_at", postgresql_where="status in ('queued', 'held')"
        ),
        Index("ix_messages_lease", "lease_until", postgresql_where="status = 'sending'"),
        Index("ix_messages_unknown", "due_at", postgresql_where="status = 'unknown' AND ended_at IS NULL"),
        Index("ix_messages_unsettled", "ended_at", postgresql_where="status = 'unknown' AND ended_at IS NOT NULL"),
        Index("ix_messages_poll", "poll_at", postgresql_where="poll_at IS NOT NULL"),
        Index("ix_messages_provider_id", "account_id", "provider_id", postgresql_where="provider_id IS NOT NULL"),
        Index("ix_messages_person_id_created_at_id", "person_id", "created_at", "id"),
        Index("ix_messages_status_created_at_id", "status", "created_at", "id"),
        Index("ix_messages_about_id", "about_id", postgresql_where="about_id IS NOT NULL"),
        Index("ix_messages_promotional", "person_id", "started_at", postgresql_where="purpose = 'promotional'"),
        Index("ix_messages_created_at", "created_at", "id"),
        Index("ix_messages_template_created_at_id", "template", "created_at", "id"),
        Index(
            "ix_messages_automation_created_at_id",
            "automation",
            "created_at",
            "id",
            postgresql_where="automation IS NOT NULL",
        ),
    )


class MessageDecision(Base):
    """What the decision chain said of a message at one time: its steps in order, up to the one that stopped it."""

    __tablename__ = "message_decisions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    decided_at: Mapped[datetime]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class InFlight(Base):
    """A text on its way to a number over a line. One equal one at most, so that a panel's reports can tell of it.

    The digest is keyed, and stays until it is known what became of the message, also of one to somebody erased.
    """

    __tablename__ = "in_flight"

    flight: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    message_id: Mapped[UUID] = mapped_column(index=True)


class DeliveryReport(Base):
    """What a provider said of a message, in the order heard; kept until the message with that id is known."""

    __tablename__ = "delivery_reports"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id"))
    provider_id: Mapped[str]
    code: Mapped[str]
    heard_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_delivery_reports_provider_id", "account_id", "provider_id"),
        Index("ix_delivery_reports_heard_at", "heard_at"),
    )
