"""What was sent stays sent: a restored database takes over from the log how far its messages had come.

Of a message that it does not know, a row without content remembers the id, which is the intent's: so an automation
that comes to the same step once more sends nothing.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages.statuses import EVENTS, LANES, WAITING, Status
from shared.contracts import Received
from shared.contracts.messaging import MessageEvent
from shared.db import driver

STATUS_OF: Final = {event.type: status for status, event in EVENTS.items()}
TAKEN_OVER: Final = tuple(event for status, event in EVENTS.items() if status not in WAITING)
ENDED: Final = frozenset(EVENTS) - WAITING - {Status.SENDING, Status.SENT, Status.UNKNOWN}

KEEP: Final = """
WITH landed AS (DELETE FROM in_flight WHERE message_id = $1::uuid AND $11 <> 'unknown')
INSERT INTO messages AS kept (
    id, intent_key, person_id, channel, purpose, lane, template, automation, invitation_id, coupon_id, lead_id,
    status, reason, due_at, not_after, created_at, sent_at, ended_at
)
VALUES ($1::uuid, 'log:' || ($1::uuid)::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $13, $14, $15)
ON CONFLICT (id) DO UPDATE
SET status = excluded.status, reason = excluded.reason, ended_at = excluded.ended_at, lease_until = NULL,
    sent_at = coalesce(kept.sent_at, excluded.sent_at)
WHERE kept.ended_at IS NULL
"""


async def take_over(tx: AsyncSession, received: Received[MessageEvent]) -> None:
    """Keep the status that a message had reached; one that has ended in this database stays as it is."""
    event, status = received.event, STATUS_OF[received.type]
    at = event.occurred_at
    values: list[Any] = [
        event.message_id, event.person_id, event.channel, event.purpose, int(LANES[event.purpose]), event.template,
        event.automation, event.invitation_id, event.coupon_id, event.lead_id, status.value, event.reason, at,
        at if status is Status.SENT else None, at if status in ENDED else None,
    ]  # fmt: skip
    await driver(tx).execute(KEEP, *values)
