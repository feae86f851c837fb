"""The service's metadata and the base of its models."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ARRAY, DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from shared.db import new_metadata
from shared.outbox.tables import declare

metadata = new_metadata()
declare(metadata)


class Base(DeclarativeBase):
    """Base of the service's models. Text is `text`, times carry their zone, documents are `jsonb`."""

    metadata = metadata
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(Text),
    }
