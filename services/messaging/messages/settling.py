"""Settling by hand what became of a message that nobody can be asked about: mail servers keep no reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.queries import erased_of
from services.messaging.messages.errors import MessageNotFound, MessageNotUnknown, PersonErased
from services.messaging.messages.models import Message, MessageDecision
from services.messaging.messages.statuses import Status
from services.messaging.messages.telling import TOLD, tell
from services.messaging.settings import Settings
from shared.clock import utcnow
from shared.db import driver

Outcome = Literal["sent", "send_again"]


async def settle_message(
    tx: AsyncSession, message_id: UUID, outcome: Outcome, settings: Settings, *, by: str
) -> Message:
    """Take a message that stays unknown as sent, or have it sent once more; `by` is kept with its decisions.

    One that is still looked for in the provider's reports is left to them.
    """
    message = await tx.get(Message, message_id, with_for_update=True)
    if message is None:
        raise MessageNotFound(message_id)
    if message.status != Status.UNKNOWN or message.ended_at is None:
        raise MessageNotUnknown(message_id, message.status)
    now = utcnow()
    if outcome == "sent":
        _take_as_sent(tx, message, now)
    else:
        await _send_again(tx, message, now, stale_after=timedelta(hours=settings.stale_effect_hours))
    step = {"step": "settlement", "outcome": "pass", "reason": outcome, "by": by, "attempt": message.attempts}
    tx.add(MessageDecision(message_id=message.id, decided_at=now, outcome="pass", reason=outcome, steps=[step]))
    return message


def _take_as_sent(tx: AsyncSession, message: Message, now: datetime) -> None:
    message.status, message.reason, message.ended_at = Status.SENT.value, "settled_by_hand", None
    message.sent_at = message.started_at or now
    row = {"id": message.id, **{name: getattr(message, name) for name in TOLD}}
    tell(tx, row, Status.SENT, now, reason=message.reason, parts=message.parts)


async def _send_again(tx: AsyncSession, message: Message, now: datetime, *, stale_after: timedelta) -> None:
    """Queue it anew: whether it may leave is decided again, and it is as fresh as if it was wanted now."""
    if await erased_of(driver(tx), [message.person_id]):
        raise PersonErased(message.person_id)
    message.status, message.reason, message.ended_at = Status.QUEUED.value, "settled_by_hand", None
    message.due_at, message.not_after = now, max(message.not_after, now + stale_after)
