"""People who come anew after they asked to be erased, and before this service has heard of it: strangers.

What they told, and what was done for them since, is parted from the leads of the erased person, and done again as if
nobody had known them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.leads.capture import capture_at
from services.leads.leads.models import Lead
from services.leads.leads.rules import LeadStatus
from services.leads.leads.schemas import LeadCreate
from services.leads.leads.touches import Touch, copy_id
from services.leads.leads.usecases import take_touch
from services.leads.persons.identity import hold_known_by, hold_person
from services.leads.persons.tellings import Told, told_since
from services.leads.settings import Settings
from shared import outbox
from shared.clock import utcnow
from shared.contracts import Event
from shared.errors import Conflict
from shared.persian.phone import mobile

REPEATED = ("channel", "direction", "by", "agent_id", "reached", "note", "asks", "occurred_at", "recorded_at")


class Came(NamedTuple):
    """What was taken for a touch of a lead, and when: a capture, or a touch as it came in."""

    touch_id: UUID
    at: datetime
    what: LeadCreate | Touch


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who was taken for the person of a lead: what they told, and touches since, in their order."""

    agent_id: UUID | None
    came: Sequence[Came]
    outcome: Callable[[Lead], list[Event]]


async def part_newcomers(tx: AsyncSession, person_ids: Collection[UUID], *, since: datetime) -> Sequence[Newcomer]:
    """Take from the leads of people what is not theirs, as they were erased at `since`; before they are erased.

    A lead that was captured after that ends, and counts no more.
    """
    told = {each.touch_id: each for each in await _held_tellings(tx, person_ids, since)}
    if not told:
        return ()
    statement = select(Lead).where(Lead.id.in_({each.lead_id for each in told.values()})).order_by(Lead.id)
    leads = (await tx.scalars(statement.with_for_update())).all()
    return [await _part(tx, lead, told, since) for lead in leads]


async def take_in(tx: AsyncSession, newcomers: Sequence[Newcomer], settings: Settings) -> None:
    """Do again for strangers what was done; after the erasure, so that nobody is known by what they told."""
    await tx.flush()
    for newcomer in newcomers:
        await _take_in(tx, newcomer, settings)


async def _held_tellings(tx: AsyncSession, person_ids: Collection[UUID], since: datetime) -> Sequence[Told]:
    """Return what was told of people after `since`, and let nobody tell more until `tx` ends."""
    for told in await told_since(tx, person_ids, since):
        capture = LeadCreate.model_validate(told.capture)
        await hold_known_by(tx, phone=mobile(capture.phone) if capture.phone else None, email=capture.email)
    for person_id in sorted(person_ids):
        await hold_person(tx, person_id)
    return await told_since(tx, person_ids, since)


async def _part(tx: AsyncSession, lead: Lead, told: Mapping[UUID, Told], since: datetime) -> Newcomer:
    statement = select(Touch).where(Touch.lead_id == lead.id, Touch.recorded_at > since)
    touches = (await tx.scalars(statement.order_by(Touch.recorded_at, Touch.id))).all()
    first = next(place for place, touch in enumerate(touches) if touch.id in told)
    since_then = [touch for touch in touches[first:] if touch.id in told or touch.kind in {"touch", "reply"}]
    captured_since = lead.captured_at > since
    parted = Newcomer(
        lead.agent_id,
        [_came(touch, told.get(touch.id)) for touch in since_then],
        _outcome_of(lead) if captured_since else _none,
    )
    if captured_since:
        if lead.is_open:
            change_load(tx, lead.agent_id, -1)
        outbox.add(tx, lead.become(None, at=utcnow()))
    return parted


async def _take_in(tx: AsyncSession, newcomer: Newcomer, settings: Settings) -> None:
    lead_id: UUID | None = None
    for touch_id, at, what in newcomer.came:
        if isinstance(what, LeadCreate):
            captured = await capture_at(tx, what, settings, at, by_agent=newcomer.agent_id, again=touch_id)
            lead_id = captured.lead.id
        else:
            lead = await tx.get_one(Lead, lead_id, with_for_update=True)
            what.lead_id = lead.id
            take_touch(tx, lead, what, settings)
    lead = await tx.get_one(Lead, lead_id, with_for_update=True)
    with suppress(Conflict):  # Another lead that became this one has brought it there.
        outbox.add(tx, *newcomer.outcome(lead))
    if not lead.is_open:
        change_load(tx, lead.agent_id, -1)


def _came(touch: Touch, told: Told | None) -> Came:
    what = LeadCreate.model_validate(told.capture) if told is not None else _copy(touch)
    return Came(touch.id, touch.recorded_at, what)


def _copy(touch: Touch) -> Touch:
    """Return a touch as it came in; what it answered is told by the lead that takes it in."""
    repeated = {name: getattr(touch, name) for name in REPEATED}
    return Touch(id=copy_id(touch.id), kind=touch.kind, answers=False, **repeated)


def _outcome_of(lead: Lead) -> Callable[[Lead], list[Event]]:
    """Return what brings another lead as far as this one has come, but for its touches."""
    at, reason, competitor, by = lead.updated_at, lead.reason, lead.competitor, lead.converted_by
    if lead.status == LeadStatus.CONVERTED:
        return lambda other: other.convert(at=at, by=by or "hand")
    if lead.status == LeadStatus.DISQUALIFIED:
        return lambda other: [other.disqualify(reason or "other", competitor=competitor, at=at)]
    if lead.status == LeadStatus.QUALIFIED:
        return lambda other: other.qualify(at=at)
    return _none


def _none(_lead: Lead) -> list[Event]:
    return []
