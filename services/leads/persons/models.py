"""Who is behind a lead, which ids mean the same person, and who the customers service says is its customer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Index, Text, Uuid, func, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from services.leads.persons.records import NewPerson
from services.leads.tables import Base
from shared.db import STATE_SCHEMA

Instant = DateTime(timezone=True)


class Person(Base):
    """A person who has, or had, a lead. The row outlives an erasure, emptied, so that the id stays known as erased.

    `identifies` until the customers service says by what the person is known, or the id is merged into another one.
    """

    __tablename__ = "persons"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    first_name: Mapped[str | None] = mapped_column(Text)
    last_name: Mapped[str | None] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text, server_default="", default="")
    phone: Mapped[str | None] = mapped_column(Text)
    phone_typed: Mapped[str | None] = mapped_column(Text)
    phone_shared: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    email: Mapped[str | None] = mapped_column(Text)
    province: Mapped[str | None] = mapped_column(Text)
    city: Mapped[str | None] = mapped_column(Text)
    accepts_promotional: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    promotional_consent_at: Mapped[datetime | None] = mapped_column(Instant)
    identifies: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    erased_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)

    def learn(self, told: Person | NewPerson) -> bool:
        """Take over what was not known before; tell whether there was anything."""
        before = self._known()
        if not self.name_folded:
            self.first_name, self.last_name, self.name_folded = told.first_name, told.last_name, told.name_folded
        if self.phone is None:
            self.phone, self.phone_typed, self.phone_shared = told.phone, told.phone_typed, told.phone_shared
        self.email = self.email or told.email
        self.province, self.city = self.province or told.province, self.city or told.city
        if told.accepts_promotional and not self.accepts_promotional:
            self.accepts_promotional, self.promotional_consent_at = True, told.promotional_consent_at
        return self._known() != before

    def _known(self) -> tuple[object, ...]:
        return self.name_folded, self.phone, self.email, self.province, self.city, self.accepts_promotional

    def erase(self, at: datetime) -> None:
        """Empty whatever says who this was."""
        self.first_name = self.last_name = self.phone = self.phone_typed = self.email = None
        self.province = self.city = self.promotional_consent_at = None
        self.name_folded, self.accepts_promotional, self.erased_at = "", False, at


IDENTIFIES = text("identifies AND NOT phone_shared")
WITHOUT_PHONE = text("phone IS NULL AND identifies")

Index("uq_persons_phone", Person.phone, unique=True, postgresql_where=IDENTIFIES)
Index("uq_persons_email", Person.email, unique=True, postgresql_where=WITHOUT_PHONE)
Index("ix_persons_phone", Person.phone)
Index("ix_persons_email", Person.email)
NAME_WORDS = func.array_to_tsvector(func.string_to_array(Person.name_folded, literal_column("' '::text")))
"""The words of a name, to be searched by their beginnings."""

Index("ix_persons_name", NAME_WORDS, postgresql_using="gin")


class Alias(Base):
    """An id that means the same person as another: `person_id` is the one that lives on, chains resolved."""

    __tablename__ = "aliases"

    alias_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(Uuid, index=True)


def _members_of(column: str) -> Index:
    return Index(f"ix_contacts_{column}", column, postgresql_using="gin", postgresql_with={"fastupdate": "off"})


class Contact(Base):
    """By which numbers and addresses the customers service knows its customers: a copy of their cards, less names."""

    __tablename__ = "contacts"
    __table_args__ = (
        _members_of("phones"),
        _members_of("shared_phones"),
        _members_of("emails"),
        {"schema": STATE_SCHEMA},
    )

    person_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    phones: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    shared_phones: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    emails: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    aliases: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    erased: Mapped[bool] = mapped_column(server_default=text("false"))
