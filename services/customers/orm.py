"""The metadata that all tables of the service are declared in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid
from sqlalchemy.orm import DeclarativeBase

from shared.db import new_metadata
from shared.outbox import tables as machinery

metadata = new_metadata(retired={"attitudes"})
machinery.declare(metadata)


class Base(DeclarativeBase):
    """Base of the service's models: times carry their zone, integers are 64 bits wide."""

    metadata = metadata
    type_annotation_map = {datetime: DateTime(timezone=True), UUID: Uuid(), int: BigInteger(), str: Text()}
