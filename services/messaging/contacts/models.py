"""Copies of contact cards. A rebuild fills them anew; erased ids are remembered outside of it, for ever."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base
from shared.db import STATE_SCHEMA


class ContactCopy(Base):
    """The newest card of a person on one topic, or its tombstone (`erased`, everything else empty)."""

    __tablename__ = "contact_cards"

    topic: Mapped[str] = mapped_column(Text, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, comment="the producer's sequence; the higher one wins")
    erased: Mapped[bool] = mapped_column(server_default="false")
    kind: Mapped[str] = mapped_column(server_default="")
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    phones: Mapped[list[str]] = mapped_column(server_default="{}")
    shared_phones: Mapped[list[str]] = mapped_column(server_default="{}")
    emails: Mapped[list[str]] = mapped_column(server_default="{}")
    locale: Mapped[str] = mapped_column(server_default="fa")
    time_zone: Mapped[str] = mapped_column(server_default="Asia/Tehran")
    accepts_service: Mapped[bool] = mapped_column(server_default="true")
    accepts_promotional: Mapped[bool] = mapped_column(server_default="false")

    __table_args__ = (
        Index("ix_contact_cards_person_id", "person_id"),
        Index("ix_contact_cards_phones", "phones", postgresql_using="gin"),
        Index("ix_contact_cards_shared_phones", "shared_phones", postgresql_using="gin"),
        {"schema": STATE_SCHEMA},
    )


class ContactAlias(Base):
    """An id that was merged into another; chains are followed."""

    __tablename__ = "contact_aliases"
    __table_args__ = (Index("ix_contact_aliases_person_id", "person_id"), {"schema": STATE_SCHEMA})

    alias_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    person_id: Mapped[UUID]


class ErasedPerson(Base):
    """An id that was erased. Kept for ever, so that never seen and erased are not confused."""

    __tablename__ = "erased_people"

    person_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    erased_at: Mapped[datetime]
