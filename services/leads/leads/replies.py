"""A person's reply to a message is a touch of the lead that they have open."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.touches import Touch
from services.leads.leads.usecases import take_touch
from services.leads.persons.identity import same_persons
from services.leads.settings import Settings
from shared.contracts import Received
from shared.contracts.messaging import ReplyReceived


async def take_reply(tx: AsyncSession, received: Received[ReplyReceived], settings: Settings) -> None:
    """Record a reply with the person's open lead, the newest if they have several; without one it is not ours.

    Words ask something, and start the clock. A number answers something that was asked, and starts none. The text
    stays with messaging. One that is told again for somebody else, after an erasure, was taken in then: its copy is
    among the touches of whom it is told for.
    """
    event = received.event
    lead = await _newest_open_lead(tx, received)
    if lead is None or await tx.get(Touch, event.reply_id) is not None:
        return
    touch = Touch(
        id=event.reply_id,
        lead_id=lead.id,
        kind="reply",
        direction="inbound",
        channel=event.channel,
        by="person",
        reached=True,
        asks=event.number is None,
        answers=False,
        occurred_at=event.occurred_at,
        recorded_at=received.recorded_at,
    )
    take_touch(tx, lead, touch, settings)


async def _newest_open_lead(tx: AsyncSession, received: Received[ReplyReceived]) -> Lead | None:
    person_id = received.event.person_id
    ids = (await same_persons(tx, [person_id]))[person_id]
    statement = (
        select(Lead)
        .where(Lead.person_id.in_(ids), IS_OPEN)
        .order_by(Lead.captured_at.desc())
        .limit(1)
        .with_for_update()
    )
    lead: Lead | None = await tx.scalar(statement)
    return lead
