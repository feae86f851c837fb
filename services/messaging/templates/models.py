"""A template: texts by locale, for one channel and one purpose."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.orm import Base


class Template(Base):
    """`bodies` holds `{locale: {text, subject, html}}`; `variables` names what a sender of it has to give."""

    __tablename__ = "templates"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    channel: Mapped[str]
    purpose: Mapped[str]
    title: Mapped[str]
    title_fa: Mapped[str]
    variables: Mapped[list[str]] = mapped_column(server_default="{}")
    bodies: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("channel in ('sms', 'email')", name="channel"),
        CheckConstraint("purpose in ('transactional', 'service', 'promotional')", name="purpose"),
    )
