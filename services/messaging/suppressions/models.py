"""Suppressions: who must not be written to. They outlive an erasure, as a keyed hash of the address."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base


class Suppression(Base):
    """An address that gets nothing: from `line` (all where empty), for `purpose` (all where empty)."""

    __tablename__ = "suppressions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="HMAC of channel and address")
    channel: Mapped[str]
    line: Mapped[str] = mapped_column(server_default="")
    purpose: Mapped[str] = mapped_column(server_default="")
    source: Mapped[str]
    person_id: Mapped[UUID | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        CheckConstraint("source in ('reply', 'api', 'link', 'operator')", name="source"),
        Index("uq_suppressions_address", "address_hash", "line", "purpose", "source", unique=True),
        Index("ix_suppressions_created_at", "created_at", "id"),
        Index("ix_suppressions_person_id", "person_id"),
    )


class PromotionPause(Base):
    """Somebody who gets no promotion until a time, because an answer of theirs was bad."""

    __tablename__ = "promotion_pauses"

    person_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    until: Mapped[datetime]
    reason: Mapped[str]
