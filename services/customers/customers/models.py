"""A customer's profile."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, false, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.customers.orm import Base
from shared.persian.calendar import to_jalali


class Customer(Base):
    """A person, a group or an organisation that buys. The id is the person's, everywhere.

    `engaged` says that they had answered before they bought, so that their stage begins at acquisition.
    `hand_types` are the types that nobody can compute: internal, intermediary. `version` is the ETag: it rises with the
    profile and with what the customer is known by; `updated_at` with the profile alone, so one never changed is told.
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("kind IN ('person', 'group', 'organisation')", name="kind"),
        CheckConstraint("origin IN ('conversion', 'api', 'import', 'purchase')", name="origin"),
        CheckConstraint("gender IN ('female', 'male', 'other')", name="gender"),
        CheckConstraint("birth_calendar IN ('gregorian', 'jalali')", name="birth_calendar"),
        CheckConstraint("(birth_date IS NULL) = (birth_calendar IS NULL)", name="birth_date_has_calendar"),
        Index("ix_customers_created_at_id", "created_at", "id"),
        Index("ix_customers_province_created_at_id", "province", "created_at", "id"),
        Index("ix_customers_name_key", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(server_default="person", default="person")
    origin: Mapped[str]
    lead_id: Mapped[UUID | None]
    source: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    name_key: Mapped[str | None]
    emails: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    locale: Mapped[str] = mapped_column(server_default="fa", default="fa")
    time_zone: Mapped[str] = mapped_column(server_default="Asia/Tehran", default="Asia/Tehran")
    province: Mapped[str | None]
    city: Mapped[str | None]
    birth_date: Mapped[date | None]
    birth_calendar: Mapped[str | None]
    gender: Mapped[str | None]
    accepts_service: Mapped[bool] = mapped_column(server_default=true(), default=True)
    accepts_promotional: Mapped[bool] = mapped_column(server_default=false(), default=False)
    consent_source: Mapped[str | None]
    consent_at: Mapped[datetime | None]
    hand_types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    engaged: Mapped[bool] = mapped_column(server_default=false(), default=False)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def birth_date_jalali(self) -> str | None:
        """Return the birth date as the Jalali calendar has it."""
        return to_jalali(self.birth_date) if self.birth_date is not None else None
