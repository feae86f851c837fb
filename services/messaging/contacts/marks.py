"""Marks of the numbers of erased people: keyed hashes, kept for a month, which say nothing to who lacks the key.

A panel may tell only after an erasure of what was sent before it. By its mark that is known as an erased person's, and
is not kept as a stranger's (docs/adr/0021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from services.messaging.contacts import sql
from services.messaging.orm import Base
from services.messaging.providers.secrets import erased_address_hash
from services.messaging.settings import Settings
from shared.clock import utcnow
from shared.db import driver
from shared.service import Runtime

KEPT_FOR: Final = timedelta(days=30)
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""How far a panel's clock may be ahead of ours; what was sent in this time after an erasure counts as before it."""

AT_ONCE: Final = 1_000


class ErasedAddress(Base):
    """The number of somebody who was erased, and when."""

    __tablename__ = "erased_addresses"
    __table_args__ = (Index("ix_erased_addresses_erased_at", "erased_at"),)

    address_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, comment="HMAC of channel and address")
    erased_at: Mapped[datetime]


async def mark_numbers(
    connection: asyncpg.Connection, erased: Iterable[tuple[UUID, datetime]], settings: Settings
) -> None:
    """Mark the numbers that people have now, who were erased at an instant; before their cards are emptied."""
    at = dict(erased)
    rows = await connection.fetch(sql.NUMBERS_OF, list(at)) if at else []
    marks = {erased_address_hash(settings, row["phone"]): at[row["person_id"]] for row in rows}
    if marks:
        hashes = sorted(marks)
        await connection.execute(sql.MARK_NUMBERS, hashes, [marks[each] for each in hashes])


async def erased_since(
    connection: asyncpg.Connection, phones: Collection[str], settings: Settings
) -> Mapping[str, datetime]:
    """Return until when what was sent from these numbers was an erased person's, where it was."""
    hashes = {erased_address_hash(settings, phone): phone for phone in phones}
    rows: Sequence[asyncpg.Record] = await connection.fetch(sql.MARKED, list(hashes))
    return {hashes[row["address_hash"]]: row["erased_at"] + CLOCKS_DIFFER for row in rows}


async def forget_marks(runtime: Runtime) -> int:
    """Forget the marks of those who were erased so long ago that no panel tells of what they sent."""
    async with runtime.db.transaction() as tx:
        done: str = await driver(tx).execute(sql.FORGET_MARKS, utcnow() - KEPT_FOR, AT_ONCE)
    return int(done.rsplit(maxsplit=1)[-1])
