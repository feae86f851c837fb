"""A person's reply to a message is a touch of the lead that they have open."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.touches import Touch, copy_id
from services.leads.leads.usecases import take_touch
from services.leads.persons.identity import same_persons
from services.leads.settings import Settings
from shared.contracts import Received
from shared.contracts.messaging import ReplyReceived
from shared.ids import derived_id


async def take_reply(tx: AsyncSession, received: Received[ReplyReceived], settings: Settings) -> None:
    """Record a reply with the person's open lead, the newest if they have several; without one it is not ours.

    Words ask something, and start the clock. A number answers something that was asked, and starts none. The text
    stays with messaging.
    """
    event = received.event
    theirs = (await same_persons(tx, [event.person_id]))[event.person_id]
    lead = await _newest_open_lead(tx, theirs)
    touch_id = await _new_touch_id(tx, event.reply_id, lead.person_id, theirs) if lead is not None else None
    if lead is None or touch_id is None:
        return
    touch = Touch(
        id=touch_id,
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


async def _newest_open_lead(tx: AsyncSession, person_ids: Collection[UUID]) -> Lead | None:
    statement = (
        select(Lead)
        .where(Lead.person_id.in_(person_ids), IS_OPEN)
        .order_by(Lead.captured_at.desc())
        .limit(1)
        .with_for_update()
    )
    lead: Lead | None = await tx.scalar(statement)
    return lead


async def _new_touch_id(tx: AsyncSession, reply_id: UUID, person_id: UUID, person_ids: Collection[UUID]) -> UUID | None:
    """Return the id of the touch that a reply becomes; None if it is among the touches of this person already.

    After an erasure a reply can be told again, for whoever has the number then. A newcomer has taken it in with all
    that they told; with anybody else it is another touch than that of the erased person.
    """
    again_id = derived_id(reply_id, "again", str(person_id))
    known = select(Touch.id, Lead.person_id).join(Lead, Lead.id == Touch.lead_id)
    rows = await tx.execute(known.where(Touch.id.in_([reply_id, copy_id(reply_id), again_id])))
    found = {row.id: row.person_id for row in rows}
    if any(whose in person_ids for whose in found.values()):
        return None
    return again_id if reply_id in found else reply_id
