"""The one row that says how often people may be asked."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Integer, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from services.surveys.orm import Base


class Fatigue(Base):
    """At most one survey to a person in `days`, whichever it is; a request from an exempt touchpoint does not wait."""

    __tablename__ = "fatigue"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("days BETWEEN 0 AND 3650", name="days"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    days: Mapped[int] = mapped_column(Integer, server_default=text("30"))
    exempt_touchpoints: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{support,ticket}'"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
