"""The tables of the leads service hang on one metadata, the event machinery's among them."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase

from shared.db import new_metadata
from shared.outbox.tables import declare


class Base(DeclarativeBase):
    """Base of what the leads service keeps."""

    metadata = new_metadata()


declare(Base.metadata)
