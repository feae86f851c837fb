"""A person as a capture speaks of them, as a plain record (docs/adr/0006)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(slots=True, kw_only=True)
class NewPerson:
    """A person as a capture speaks of them, or as they are known once it is written."""

    id: UUID
    first_name: str | None
    last_name: str | None
    name_folded: str
    phone: str | None
    phone_typed: str | None
    phone_shared: bool = False
    email: str | None
    province: str | None
    city: str | None
    accepts_promotional: bool
    promotional_consent_at: datetime | None
    identifies: bool = True
    created_at: datetime
