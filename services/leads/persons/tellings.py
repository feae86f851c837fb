"""What captures said of people who were known already, kept for as long as an erasure of theirs may be on its way.

Whoever comes after they were erased, and before this service has heard of it, is a stranger, of whom nothing else says
what they told: what is known of a person stays as it is when they come again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import DateTime, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from services.leads.persons import sql
from services.leads.tables import Base
from shared.db import driver

KEPT_FOR: Final = timedelta(days=7)
AT_ONCE: Final = 1_000


class Telling(Base):
    """What a capture said, as it was given; `touch_id` is the touch that it was."""

    __tablename__ = "tellings"
    __table_args__ = (
        Index("ix_tellings_person_id", "person_id", "told_at"),
        Index("ix_tellings_told_at", "told_at"),
    )

    touch_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(Uuid)
    told_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    capture: Mapped[dict[str, object]] = mapped_column(JSONB)


class Told(NamedTuple):
    """A capture of somebody who was known, with the lead whose touch it is."""

    touch_id: UUID
    lead_id: UUID
    told_at: datetime
    capture: dict[str, object]


async def tell(tx: AsyncSession, touch_id: UUID, person_id: UUID, at: datetime, capture: str) -> None:
    """Keep what a capture of somebody who is known said, as JSON."""
    await driver(tx).execute(sql.TELL, touch_id, person_id, at, capture)


async def told_since(tx: AsyncSession, person_ids: Collection[UUID], since: datetime) -> Sequence[Told]:
    """Return what was said of people after an instant, in that order."""
    return [Told(*row) for row in await driver(tx).fetch(sql.TOLD_SINCE, list(person_ids), since)]


async def forget_old(tx: AsyncSession, *, at: datetime) -> int:
    """Forget what no erasure can concern any more; return how much that was."""
    done: str = await driver(tx).execute(sql.FORGET_OLD_TELLINGS, at - KEPT_FOR, AT_ONCE)
    return int(done.rsplit(maxsplit=1)[-1])
