"""Open leads of one person that were two persons' until now: what a second capture would have been, they become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.touches import Touch
from services.leads.settings import Settings
from shared import outbox
from shared.contracts import Event, Received


async def merge_open_leads(
    tx: AsyncSession, person_ids: Collection[UUID], settings: Settings, *, cause: Received[Event]
) -> None:
    """Let the open leads of a person, by whichever of their ids, be one for each product: the one captured first."""
    theirs = select(Lead).where(Lead.person_id.in_(person_ids), IS_OPEN).order_by(Lead.id).with_for_update()
    by_slot: defaultdict[str, list[Lead]] = defaultdict(list)
    for lead in await tx.scalars(theirs):
        by_slot[lead.slot].append(lead)
    for leads in by_slot.values():
        first, *later = sorted(leads, key=lambda lead: (lead.captured_at, lead.id))
        for lead in later:
            await _merge(tx, lead, first, settings, cause)


async def _merge(tx: AsyncSession, lead: Lead, into: Lead, settings: Settings, cause: Received[Event]) -> None:
    agents = lead.agent_id, into.agent_id
    answer = await _answer(tx, into, lead, settings) or await _answer(tx, lead, into, settings)
    outbox.add(tx, *into.absorb(lead, answer, at=cause.recorded_at), cause=cause)
    if None not in agents:
        change_load(tx, lead.agent_id, -1)
    captures = update(Touch).where(Touch.lead_id == lead.id, Touch.kind == "capture")
    await tx.execute(captures.values(kind="recapture", note=lead.note))
    await tx.execute(update(Touch).where(Touch.lead_id == lead.id).values(lead_id=into.id))


async def _answer(tx: AsyncSession, lead: Lead, other: Lead, settings: Settings) -> Touch | None:
    """Let the first that was said to `other` since `lead` asked be the answer; return it if it answered nothing before.

    That happens for one of two leads at most: what waits of one was not answered by anything that was said to it since.
    """
    asked_at = lead.question_asked_at
    if asked_at is None:
        return None
    since = select(Touch).where(Touch.lead_id == other.id, Touch.recorded_at >= asked_at)
    counts = settings.unreached_attempt_answers
    for touch in await tx.scalars(since.order_by(Touch.recorded_at, Touch.id)):
        if touch.is_attempt(unreached_counts=counts):
            return touch if lead.settle(touch, settings.working_time.between(asked_at, touch.recorded_at)) else None
    return None
