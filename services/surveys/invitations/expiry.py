"""Closing invitations that nobody answered in time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from services.surveys.invitations.models import Invitation
from shared import outbox

BATCH = 500


async def expire_invitations(tx: AsyncSession, *, at: datetime) -> int:
    """Expire a batch of the open invitations that are due at `at`; return how many."""
    due = (
        select(Invitation)
        .where(Invitation.status == "open", Invitation.expires_at <= at)
        .order_by(Invitation.expires_at)
        .limit(BATCH)
        .options(joinedload(Invitation.asks))
        .with_for_update(skip_locked=True, of=Invitation)
    )
    invitations = list(await tx.scalars(due))
    for invitation in invitations:
        if invitation.asks is not None:
            outbox.add(tx, invitation.expire(invitation.asks, at=at))
    return len(invitations)
