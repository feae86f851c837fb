"""A person as this service knows them: an id."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from services.surveys.orm import Base


class Person(Base):
    """An id that meant a person in a request or a fact. Its row is what decisions about the person lock.

    `merged_into` is who the id means now, never itself an alias. `erased_at` is kept for ever, so that an erased id
    is not taken for one never seen.
    """

    __tablename__ = "people"
    __table_args__ = (Index(None, "merged_into"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    merged_into: Mapped[UUID | None]
    erased_at: Mapped[datetime | None]
