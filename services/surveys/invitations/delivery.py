"""Noting that a question reached its person; what the response rate is a share of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.messaging import MessageDelivered
from shared.db import driver

_DELIVERED = """
UPDATE invitations SET delivered_at = least(invitations.delivered_at, d.at)
FROM (
    SELECT id, min(at) AS at FROM unnest($1::uuid[], $2::timestamptz[]) AS given(id, at) GROUP BY id
) AS d
WHERE invitations.id = d.id AND invitations.status <> 'refused'
"""


async def note_deliveries(tx: AsyncSession, events: Sequence[MessageDelivered]) -> None:
    """Note when questions were first delivered, in whatever order the reports come."""
    reached = [(event.invitation_id, event.occurred_at) for event in events if event.invitation_id is not None]
    if reached:
        await driver(tx).execute(_DELIVERED, [one for one, _ in reached], [at for _, at in reached])
