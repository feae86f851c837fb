"""Capturing a lead: once a person and product, however many captures come and however they come together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load, choose_agent
from services.leads.agents.models import Agent
from services.leads.leads.errors import NoWayToReach
from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.records import NewLead
from services.leads.leads.response import Question, channel_of, meets, waits_for_answer
from services.leads.leads.schemas import LeadCreate
from services.leads.leads.sql import Captures, store_known, store_strangers
from services.leads.leads.touches import Touch
from services.leads.persons.identity import (
    Identity,
    hold_known_by,
    hold_person,
    identify,
    look_up,
    same_persons,
)
from services.leads.persons.models import Person
from services.leads.persons.records import NewPerson
from services.leads.persons.tellings import tell
from services.leads.settings import Settings
from shared import outbox
from shared.clock import utcnow
from shared.contracts import Event
from shared.contracts.cards import LEADS_CONTACTS
from shared.ids import derived_id, new_id
from shared.persian.phone import mobile
from shared.persian.text import fold


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture led to; `recaptured` if the person had the lead already."""

    lead: Lead | NewLead
    person: Person | NewPerson
    recaptured: bool


class Ids(NamedTuple):
    """By what a capture, and whoever and whatever comes of it, is known."""

    person: UUID
    lead: UUID
    touch: UUID


async def capture_lead(
    tx: AsyncSession, new: LeadCreate, settings: Settings, *, by_agent: UUID | None = None
) -> Captured:
    """Record that somebody may buy: as a lead, or as a touch of the open lead that they already have.

    `by_agent` is the agent who captures, and who keeps the lead.
    """
    if new.phone is None and new.email is None:
        raise NoWayToReach
    return await capture_at(tx, new, settings, utcnow(), by_agent=by_agent)


async def capture_at(
    tx: AsyncSession,
    new: LeadCreate,
    settings: Settings,
    at: datetime,
    *,
    by_agent: UUID | None = None,
    again: UUID | None = None,
) -> Captured:
    """Record a capture that happened at `at`, from when its clock runs.

    One that is done again, for the touch `again` that it was, has the same ids however often it is. No agent is chosen
    for it, as more is locked after it: a lead without one is assigned by the clock.
    """
    ids = ids_of(again)
    stranger = person_of(ids.person, new, at)
    await hold_known_by(tx, phone=stranger.phone, email=stranger.email)
    matches = await look_up(tx, phone=stranger.phone, email=stranger.email, name=stranger.name_folded)
    identity = identify(matches, phone_given=stranger.phone is not None)
    open_lead = await _lock_open_lead(tx, identity.person_id, slot_of(new.product, settings))
    if open_lead is not None:
        return await _recapture(tx, open_lead, new, stranger, at, settings, ids, by_agent)
    owner = await _owner(tx, by_agent, at, choose=again is None)
    written = first_capture(new, stranger, identity, at, settings, owner, ids)
    if identity.person_id is None:
        await store_strangers(tx, [written])
        return Captured(written.lead, stranger, recaptured=False)
    known = await store_known(tx, written)
    await tell(tx, ids.touch, known.id, at, new.model_dump_json(exclude_unset=True))
    return Captured(written.lead, known, recaptured=False)


def slot_of(product: str | None, settings: Settings) -> str:
    """Return what, with the person, makes two captures the same lead."""
    return (product or "") if settings.one_open_lead_per == "person_and_product" else ""


def question_at(at: datetime, settings: Settings) -> Question:
    """Return a question asked at `at`, with the due time that is fixed now."""
    return Question(at, settings.working_time.due(at, settings.first_response))


def response_at(lead: Lead, at: datetime, settings: Settings) -> timedelta | None:
    """Return the working time that what waits would have taken if it were answered at `at`; None if nothing waits."""
    return settings.working_time.between(lead.question_asked_at, at) if lead.question_asked_at is not None else None


async def open_lead_of(tx: AsyncSession, person_id: UUID, slot: str) -> Lead | None:
    """Return the open lead that a person, by whichever of their ids, has in `slot`, locked."""
    ids = (await same_persons(tx, [person_id]))[person_id]
    statement = (
        select(Lead)
        .where(Lead.person_id.in_(ids), Lead.slot == slot, IS_OPEN)
        .order_by(Lead.captured_at)
        .limit(1)
        .with_for_update()
    )
    lead: Lead | None = await tx.scalar(statement)
    return lead


async def _lock_open_lead(tx: AsyncSession, person_id: UUID | None, slot: str) -> Lead | None:
    if person_id is None:
        return None
    await hold_person(tx, person_id)
    return await open_lead_of(tx, person_id, slot)


def first_capture(
    new: LeadCreate,
    person: NewPerson,
    identity: Identity,
    at: datetime,
    settings: Settings,
    owner: UUID | None,
    ids: Ids,
) -> Captures:
    """Return what is written of a capture of somebody who has no open lead."""
    person.id = identity.person_id or person.id
    person.phone_shared, person.identifies = identity.phone_shared, not identity.is_customer
    lead = _lead(ids.lead, new, person, identity, at, settings)
    first = lead.born_answered(at) if meets(new.direction, new.source) else []
    if waits_for_answer(new.direction, new.source):
        lead.ask(question_at(at, settings))
    assigned = [lead.assign(owner, at=at)] if owner is not None else []
    events: list[Event] = [lead.captured(person.province), *first, *assigned]
    rows = [outbox.card_row(LEADS_CONTACTS, person.id), *(outbox.row(event) for event in events)]
    touch = _touch(ids.touch, new, lead, at, recapture=False)
    return Captures(person, lead, touch, rows)


async def _recapture(
    tx: AsyncSession,
    lead: Lead,
    new: LeadCreate,
    stranger: NewPerson,
    at: datetime,
    settings: Settings,
    ids: Ids,
    by_agent: UUID | None,
) -> Captured:
    touch = Touch(**_touch(ids.touch, new, lead, at, recapture=True, by_agent=by_agent))
    tx.add(touch)
    met = lead.meet(touch, response=response_at(lead, at, settings)) if meets(new.direction, new.source) else []
    outbox.add(tx, lead.recapture(touch, question_at(at, settings), product=new.product), *met)
    person = await tx.get_one(Person, lead.person_id, with_for_update={"key_share": True})
    gives_reason_to_write = lead.source == "import" and touch.of_their_own_accord
    if person.learn(stranger) or gives_reason_to_write:
        outbox.add_card(tx, LEADS_CONTACTS, person.id)
    await tx.flush()
    await tell(tx, touch.id, lead.person_id, at, new.model_dump_json(exclude_unset=True))
    return Captured(lead, person, recaptured=True)


async def _owner(tx: AsyncSession, by_agent: UUID | None, at: datetime, *, choose: bool) -> UUID | None:
    """Return who gets a new lead: the agent who captured it, else the one whose turn it is."""
    if by_agent is not None and await tx.get(Agent, by_agent) is not None:
        change_load(tx, by_agent, 1)
        return by_agent
    return await choose_agent(tx, at=at) if choose else None


def ids_of(again: UUID | None = None) -> Ids:
    """Return new ids, or those of a capture that is done again."""
    if again is None:
        return Ids(new_id(), new_id(), new_id())
    return Ids(*(derived_id(again, what) for what in Ids._fields))


def person_of(person_id: UUID, new: LeadCreate, at: datetime) -> NewPerson:
    """Return who a capture speaks of, as if they were a stranger."""
    return NewPerson(
        id=person_id,
        first_name=new.first_name,
        last_name=new.last_name,
        name_folded=folded_name(new.first_name, new.last_name),
        phone=mobile(new.phone) if new.phone is not None else None,
        phone_typed=new.phone,
        email=new.email,
        province=new.province,
        city=new.city,
        accepts_promotional=new.accepts_promotional,
        promotional_consent_at=at if new.accepts_promotional else None,
        created_at=at,
    )


def folded_name(first_name: str | None, last_name: str | None) -> str:
    """Return a name in the form in which two spellings of it are equal."""
    return fold(f"{first_name or ''} {last_name or ''}")


def _lead(
    lead_id: UUID, new: LeadCreate, person: NewPerson, identity: Identity, at: datetime, settings: Settings
) -> NewLead:
    return NewLead(
        id=lead_id,
        person_id=person.id,
        slot=slot_of(new.product, settings),
        kind=new.kind or ("returning" if identity.is_customer else "new"),
        source=new.source,
        direction=new.direction,
        awareness=new.awareness,
        campaign=new.campaign,
        product=new.product,
        cost_minor=new.cost_minor,
        expected_amount_minor=new.expected_amount_minor,
        currency=new.currency,
        note=new.note,
        referrer_person_id=new.referrer_person_id,
        possible_duplicate_of=identity.possible_duplicate_of,
        captured_at=at,
        updated_at=at,
    )


def _touch(
    touch_id: UUID,
    new: LeadCreate,
    lead: Lead | NewLead,
    at: datetime,
    *,
    recapture: bool,
    by_agent: UUID | None = None,
) -> dict[str, Any]:
    """Return the entry of the timeline that a capture is, as the values of a touch.

    `by_agent`, who captures, is who spoke to the person, if anybody did.
    """
    spoke_to_them = new.direction == "outbound" or meets(new.direction, new.source)
    owner = lead.agent_id if new.direction == "outbound" else None
    return {
        "id": touch_id,
        "lead_id": lead.id,
        "kind": "recapture" if recapture else "capture",
        "direction": new.direction,
        "channel": channel_of(new.source),
        "by": "person" if new.direction == "inbound" else "human",
        "agent_id": by_agent if spoke_to_them and by_agent is not None else owner,
        "reached": True,
        "source": new.source,
        "campaign": new.campaign,
        "note": new.note if recapture else None,
        "asks": waits_for_answer(new.direction, new.source),
        "answers": False,
        "occurred_at": at,
        "recorded_at": at,
    }
