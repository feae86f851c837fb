"""Accounts at SMS panels and mail servers, and their lines."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.messaging.orm import Base


class ProviderAccount(Base):
    """An account. `secret` is sealed with the deployment's key; `tokens` is what is left of its rate at `tokens_at`."""

    __tablename__ = "provider_accounts"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    base_url: Mapped[str]
    username: Mapped[str] = mapped_column(server_default="")
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    webhook_hash: Mapped[bytes] = mapped_column(LargeBinary)
    config: Mapped[dict[str, Any]] = mapped_column(server_default="{}", comment="field mappings, TLS and the like")
    priority: Mapped[int] = mapped_column(server_default="100", comment="lower is asked first")
    rate_per_s: Mapped[float] = mapped_column(server_default="100")
    tokens: Mapped[float] = mapped_column(server_default="0")
    tokens_at: Mapped[datetime]
    active: Mapped[bool] = mapped_column(server_default="true")
    paused_reason: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    credit: Mapped[Decimal | None] = mapped_column(Numeric)
    credit_at: Mapped[datetime | None]
    polled_at: Mapped[datetime | None] = mapped_column(comment="when inbound messages were last fetched")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    lines: Mapped[list[ProviderLine]] = relationship(
        lazy="raise", order_by="ProviderLine.number", cascade="all, delete-orphan"
    )

    __table_args__ = (
        CheckConstraint("kind in ('smsir', 'smtp')", name="kind"),
        CheckConstraint("rate_per_s > 0", name="rate"),
        Index("uq_provider_accounts_name", "name", unique=True),
    )


class ProviderLine(Base):
    """A line of a panel, or the address that a mail server sends from: what it may carry, and when."""

    __tablename__ = "provider_lines"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[str] = mapped_column(Text, primary_key=True)
    purposes: Mapped[list[str]]
    hours: Mapped[dict[str, Any]] = mapped_column(
        server_default="{}", comment="{purpose: [from, to]}; no entry: at any hour"
    )
