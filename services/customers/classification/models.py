"""The types and the stage that a person has now, and when they are to be looked at again."""

from __future__ import annotations

from datetime import datetime
from typing import get_args
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.customers.orm import Base
from shared.contracts.customers import CustomerType


def has_type(type_: CustomerType) -> str:
    """Return the condition of those who have a type, as its index has it: with the type in it, no parameter."""
    return f"types @> ARRAY['{type_}']"


class Classification(Base):
    """What a customer is. `due_at` is when the rule may give another answer; `-infinity` means: something happened.

    `opened_at` is when the customer was opened: lists of a type or a stage are read in that order.
    """

    __tablename__ = "classifications"
    __table_args__ = (
        Index("ix_classifications_due_at", "due_at"),
        Index("ix_classifications_stage_opened_at_person_id", "stage", "opened_at", "person_id"),
        *(
            Index(f"ix_classifications_{each}", "opened_at", "person_id", postgresql_where=text(has_type(each)))
            for each in get_args(CustomerType)
        ),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    reasons: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}", default=dict)
    stage: Mapped[str] = mapped_column(server_default="reach", default="reach")
    stage_reason: Mapped[str] = mapped_column(server_default="known", default="known")
    classified_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    opened_at: Mapped[datetime] = mapped_column(server_default=text("'infinity'"))


class Attitude(Base):
    """The category of an answer to an NPS or CSAT question, of which the last counts; a copy from surveys.

    All are kept, so that one that is withdrawn leaves the one before it.
    """

    __tablename__ = "attitudes_by_answer"
    __table_args__ = (Index("ix_attitudes_by_answer_person_id", "person_id"), {"schema": "state"})

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    category: Mapped[str]
    occurred_at: Mapped[datetime]
    version: Mapped[int]
