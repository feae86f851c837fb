"""What people wrote to our lines."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base


class InboundMessage(Base):
    """An SMS from a person. `sender` and `text` are emptied when the person is erased."""

    __tablename__ = "inbound_messages"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("provider_accounts.id"))
    dedupe: Mapped[bytes] = mapped_column(LargeBinary, comment="digest of line, sender, text and second or id")
    provider_id: Mapped[str | None]
    exact: Mapped[bool] = mapped_column(comment="whether the panel told the time")
    line: Mapped[str]
    sender: Mapped[str | None]
    text: Mapped[str | None]
    person_id: Mapped[UUID | None]
    shared_by: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), server_default="{}", comment="who has the sender's number, where it may be any of them"
    )
    meaning: Mapped[str]
    number: Mapped[int | None]
    keyword: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(comment="as the panel says")
    recorded_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("meaning in ('reply', 'opt_out', 'rejoin')", name="meaning"),
        Index("uq_inbound_messages_dedupe", "account_id", "dedupe", unique=True),
        Index("ix_inbound_messages_recorded_at", "recorded_at", "id"),
        Index("ix_inbound_messages_person_id_recorded_at_id", "person_id", "recorded_at", "id"),
        Index("ix_inbound_messages_matched", "recorded_at", "id", postgresql_where="person_id IS NOT NULL"),
        Index("ix_inbound_messages_unmatched", "recorded_at", "id", postgresql_where="person_id IS NULL"),
        Index("ix_inbound_messages_shared_by", "shared_by", postgresql_using="gin"),
        Index("ix_inbound_messages_sender", "sender", "received_at"),
        Index(
            "uq_inbound_messages_provider_id",
            "account_id",
            "provider_id",
            unique=True,
            postgresql_where="provider_id IS NOT NULL",
        ),
    )
