"""Open leads of one person that were two persons' until now: what a second capture would have been, they become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.touches import Touch
from shared import outbox
from shared.contracts import Event, Received


async def merge_open_leads(tx: AsyncSession, person_ids: Collection[UUID], *, cause: Received[Event]) -> None:
    """Let the open leads of a person, by whichever of their ids, be one for each product: the one captured first."""
    theirs = select(Lead).where(Lead.person_id.in_(person_ids), IS_OPEN).order_by(Lead.id).with_for_update()
    by_slot: defaultdict[str, list[Lead]] = defaultdict(list)
    for lead in await tx.scalars(theirs):
        by_slot[lead.slot].append(lead)
    for leads in by_slot.values():
        first, *later = sorted(leads, key=lambda lead: (lead.captured_at, lead.id))
        for lead in later:
            await _merge(tx, lead, first, cause.recorded_at, cause)


async def _merge(tx: AsyncSession, lead: Lead, into: Lead, at: datetime, cause: Received[Event]) -> None:
    agents = lead.agent_id, into.agent_id
    outbox.add(tx, *into.absorb(lead, at=at), cause=cause)
    if None not in agents:
        change_load(tx, lead.agent_id, -1)
    captures = update(Touch).where(Touch.lead_id == lead.id, Touch.kind == "capture")
    await tx.execute(captures.values(kind="recapture", note=lead.note))
    await tx.execute(update(Touch).where(Touch.lead_id == lead.id).values(lead_id=into.id))
