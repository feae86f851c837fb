"""Publishing that a message reached a status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages.statuses import EVENTS, Status
from shared import outbox
from shared.contracts import Event, Received

TOLD = ("person_id", "channel", "purpose", "template", "automation", "invitation_id", "coupon_id", "lead_id")
"""Columns of a message that its events carry: ids and codes, nothing personal."""

COLUMNS = f"id, {', '.join(TOLD)}"


def tell(
    tx: AsyncSession,
    row: Mapping[str, Any] | asyncpg.Record,
    status: Status,
    now: datetime,
    *,
    reason: str | None = None,
    cause: Received[Event] | None = None,
    **more: Any,
) -> None:
    """Publish that the message of `row` (a mapping that holds `COLUMNS`) has reached `status`."""
    event = EVENTS[status](
        occurred_at=now, message_id=row["id"], reason=reason, **{name: row[name] for name in TOLD}, **more
    )
    outbox.add(tx, event, cause=cause)
