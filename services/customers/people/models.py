"""Numbers, ids of other systems, aliases, erased ids, and the copy of what the leads service knows of people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.customers.orm import Base


class PhoneNumber(Base):
    """A customer's number. A number that is not `shared` names one customer, and is the claim to be that one."""

    __tablename__ = "phone_numbers"
    __table_args__ = (
        Index("uq_phone_numbers_phone", "phone", unique=True, postgresql_where=text("NOT shared")),
        Index("ix_phone_numbers_person_id", "person_id"),
    )

    phone: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    shared: Mapped[bool] = mapped_column(server_default=false(), default=False)
    place: Mapped[int] = mapped_column(server_default="0", default=0)


class ExternalId(Base):
    """What another system, `source`, calls a customer."""

    __tablename__ = "external_ids"
    __table_args__ = (Index("ix_external_ids_person_id", "person_id"),)

    source: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]


class Alias(Base):
    """An id that means `person_id`. Chains are flattened: what an alias points to is never an alias itself."""

    __tablename__ = "aliases"
    __table_args__ = (Index("ix_aliases_person_id", "person_id"),)

    alias_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    merged_at: Mapped[datetime]


class ErasedPerson(Base):
    """An id whose person was erased; remembered for ever."""

    __tablename__ = "erased_people"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]


class LeadContact(Base):
    """Copy of a person's card on the topic of the leads service; `card` is null once it was erased."""

    __tablename__ = "lead_contacts"
    __table_args__ = {"schema": "state"}

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    card: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class LeadPhone(Base):
    """The numbers of those cards that are not shared, to find the person by."""

    __tablename__ = "lead_phones"
    __table_args__ = (Index("ix_lead_phones_person_id", "person_id"), {"schema": "state"})

    phone: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
