"""Intents: rows that say that somebody is to get a message. One intent key gives at most one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages import sql
from services.messaging.messages.statuses import LANES, Status
from services.messaging.messages.telling import tell
from shared.contracts import Event, Received
from shared.db import driver
from shared.ids import derived_id

MESSAGES = UUID("3f1c1bb6-1d0e-5a53-9a4e-6a8f2d8c7b21")
"""Namespace of messages' ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Somebody is to be reached. `key` names the intent: what led to it, and which step of that.

    After `not_after` it is not worth sending any more; by default a day after it was queued.
    """

    key: str
    person_id: UUID
    channel: str
    purpose: str
    template: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    body: str | None = None
    subject: str | None = None
    about_id: UUID | None = None
    automation: str | None = None
    invitation_id: UUID | None = None
    coupon_id: UUID | None = None
    lead_id: UUID | None = None
    needs_topic: str | None = None
    needs_version: int = 0
    not_after: datetime | None = None

    @property
    def id(self) -> UUID:
        """Return the id of the message: the same whenever the intent comes again, as after a restore."""
        return derived_id(MESSAGES, self.key)


async def queue(
    tx: AsyncSession,
    intents: Sequence[Intent],
    *,
    now: datetime,
    stale_after: timedelta = timedelta(hours=24),
    cause: Received[Event] | None = None,
) -> list[UUID]:
    """Store messages to be sent and publish that they are queued; an intent that was stored before is left alone.

    Returns the ids of the messages that are new.
    """
    if not intents:
        return []
    rows = [_row(intent, now + stale_after) for intent in intents]
    new = await driver(tx).fetch(sql.QUEUE, orjson.dumps(rows, default=str).decode(), now)
    for row in new:
        tell(tx, row, Status.QUEUED, now, cause=cause)
    return [row["id"] for row in new]


def _row(intent: Intent, not_after: datetime) -> dict[str, Any]:
    return {
        "id": intent.id,
        "intent_key": intent.key,
        "person_id": intent.person_id,
        "about_id": intent.about_id,
        "channel": intent.channel,
        "purpose": intent.purpose,
        "lane": int(LANES[intent.purpose]),
        "template": intent.template,
        "variables": intent.variables,
        "body": intent.body,
        "subject": intent.subject,
        "automation": intent.automation,
        "invitation_id": intent.invitation_id,
        "coupon_id": intent.coupon_id,
        "lead_id": intent.lead_id,
        "needs_topic": intent.needs_topic,
        "needs_version": intent.needs_version,
        "not_after": intent.not_after or not_after,
    }
