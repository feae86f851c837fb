"""Suppressing addresses, and lifting it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.providers.secrets import address_hash
from services.messaging.settings import Settings
from services.messaging.suppressions import sql
from shared import outbox
from shared.contracts.messaging import MessageChannel, OptOutRecorded, OptOutWithdrawn
from shared.db import driver
from shared.ids import new_id

Source = Literal["reply", "api", "link"]


async def opt_out(
    tx: AsyncSession,
    settings: Settings,
    *,
    channel: MessageChannel,
    address: str,
    source: Source,
    now: datetime,
    line: str = "",
    purpose: str = "",
    person_id: UUID | None = None,
) -> UUID | None:
    """Suppress an address at its owner's wish; return the suppression's id, None if it stood already."""
    hashed = address_hash(settings, channel, address)
    new = await driver(tx).fetchval(sql.SUPPRESS, new_id(), hashed, channel, line, purpose, source, person_id, now)
    if new is not None and person_id is not None:
        recorded = OptOutRecorded(
            occurred_at=now, person_id=person_id, channel=channel, line=line or None, source=source
        )
        outbox.add(tx, recorded)
    return None if new is None else UUID(str(new))


async def rejoin(
    tx: AsyncSession,
    settings: Settings,
    *,
    channel: MessageChannel,
    address: str,
    line: str,
    said_at: datetime,
    now: datetime,
    person_id: UUID | None = None,
) -> bool:
    """Lift an address's own opt-outs from a line; what an operator blacklists, or was asked for later, stays."""
    hashed = address_hash(settings, channel, address)
    lifted = await driver(tx).fetch(sql.REJOIN, hashed, line, said_at)
    if lifted and person_id is not None:
        withdrawn = OptOutWithdrawn(
            occurred_at=now, person_id=person_id, channel=channel, line=line or None, source="reply"
        )
        outbox.add(tx, withdrawn)
    return bool(lifted)


async def remember_blacklisted(
    tx: AsyncSession, rows: Sequence[asyncpg.Record], settings: Settings, now: datetime
) -> None:
    """Remember per number and purpose that the operator lets nothing through.

    `rows` are messages with person_id, channel, purpose and address. An address that was erased meanwhile is gone.
    """
    for row in rows:
        if row["address"] is None:
            continue
        hashed = address_hash(settings, row["channel"], row["address"])
        new = await driver(tx).fetchval(
            sql.SUPPRESS, new_id(), hashed, row["channel"], "", row["purpose"], "operator", row["person_id"], now
        )
        if new is not None:
            recorded = OptOutRecorded(
                occurred_at=now, person_id=row["person_id"], channel=row["channel"], source="blacklist"
            )
            outbox.add(tx, recorded)


async def remember_nonexistent(
    tx: AsyncSession, rows: Sequence[asyncpg.Record], settings: Settings, now: datetime
) -> None:
    """Remember mail addresses that their server says do not exist: nothing of any purpose goes there again."""
    for row in rows:
        if row["address"] is not None:
            hashed = address_hash(settings, row["channel"], row["address"])
            values = (new_id(), hashed, row["channel"], "", "", "operator", row["person_id"], now)
            await driver(tx).execute(sql.SUPPRESS, *values)


async def pause_promotion(tx: AsyncSession, person_id: UUID, days: int, reason: str, now: datetime) -> None:
    """Let a person have no promotion for some days; a pause that ends later stands."""
    await driver(tx).execute(sql.PAUSE, person_id, now + timedelta(days=days), reason)


async def forget_people(connection: asyncpg.Connection, person_ids: Sequence[UUID]) -> None:
    """Take the person out of their suppressions, which stand by the hash of the address."""
    await connection.execute(sql.FORGET, list(person_ids))
    await connection.execute(sql.FORGET_PAUSES, list(person_ids))
