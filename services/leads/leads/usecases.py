"""What is done with a lead: touched, qualified, disqualified, reopened, converted, changed, handed on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.agents.errors import UnknownAgent
from services.leads.agents.models import Agent
from services.leads.leads.capture import folded_name, open_lead_of, question_at, response_at, slot_of
from services.leads.leads.errors import (
    CompetitorWithoutReason,
    LeadNotFound,
    LeadOfErasedPerson,
    OpenLeadExists,
    WrongSpeaker,
)
from services.leads.leads.models import Lead
from services.leads.leads.response import asks
from services.leads.leads.schemas import MONEY, Disqualification, LeadPatch, TouchCreate
from services.leads.leads.touches import Touch
from services.leads.persons.erasure import is_erased
from services.leads.persons.identity import hold_person
from services.leads.persons.models import Person
from services.leads.settings import Settings
from shared import outbox
from shared.clock import utcnow
from shared.contracts.cards import LEADS_CONTACTS
from shared.ids import new_id
from shared.web.fields import refuse_unknown_currency

PERSON_FIELDS = frozenset({"first_name", "last_name", "province", "city"})
TELLING = PERSON_FIELDS | {"note"}
"""What tells of somebody; the rest of a lead is codes and counts, which outlive an erasure."""


async def lock_lead(tx: AsyncSession, lead_id: UUID, *, of_agent: UUID | None = None) -> Lead:
    """Return a lead, which nobody else changes until the transaction ends; `of_agent` sees only their own."""
    lead = await tx.scalar(select(Lead).where(Lead.id == lead_id).with_for_update())
    if lead is None or (of_agent is not None and lead.agent_id != of_agent):
        raise LeadNotFound(lead_id)
    return lead


async def lock_lead_of_person(tx: AsyncSession, lead_id: UUID, *, of_agent: UUID | None = None) -> Lead:
    """Return a lead, locked, whose person gets no other one until the transaction ends.

    The person comes first, as at a capture, so that the two never wait for each other.
    """
    person_id = await tx.scalar(select(Lead.person_id).where(Lead.id == lead_id))
    if person_id is None:
        raise LeadNotFound(lead_id)
    await hold_person(tx, person_id)
    return await lock_lead(tx, lead_id, of_agent=of_agent)


async def touch_lead(
    tx: AsyncSession, lead: Lead, new: TouchCreate, settings: Settings, *, by_agent: UUID | None = None
) -> Touch:
    """Record that somebody spoke to a lead, which is locked with its person, or tried to, or it to us."""
    await _refuse_erased(tx, lead)
    lead.refuse_if_merged()
    if new.agent_id is not None:
        await known_agent(tx, new.agent_id)
    at = utcnow()
    by = new.by or ("person" if new.direction == "inbound" else "human")
    if (by == "person") != (new.direction == "inbound"):
        raise WrongSpeaker(by, new.direction)
    touch = Touch(
        id=new_id(),
        lead_id=lead.id,
        kind="touch",
        direction=new.direction,
        channel=new.channel,
        by=by,
        agent_id=by_agent or new.agent_id or (lead.agent_id if by == "human" else None),
        reached=new.reached,
        note=new.note,
        asks=asks(new.direction, new.channel, reached=new.reached),
        answers=False,
        occurred_at=new.occurred_at or at,
        recorded_at=at,
    )
    take_touch(tx, lead, touch, settings)
    return touch


def take_touch(tx: AsyncSession, lead: Lead, touch: Touch, settings: Settings) -> None:
    """Let a lead, which is locked, take in a touch: it may answer what waits, or ask something new."""
    answering = touch.is_attempt(unreached_counts=settings.unreached_attempt_answers)
    response = response_at(lead, touch.recorded_at, settings) if answering else None
    tx.add(touch)
    if touch.of_their_own_accord:
        _gives_reason_to_write(tx, lead)
    outbox.add(tx, *lead.touched(touch, response=response, question=question_at(touch.recorded_at, settings)))


def qualify_lead(tx: AsyncSession, lead: Lead) -> None:
    """Record that a lead, which is locked, can buy and wants to."""
    outbox.add(tx, *lead.qualify(at=utcnow()))


def convert_lead(tx: AsyncSession, lead: Lead) -> None:
    """Record that a lead, which is locked, buys; once only."""
    outbox.add(tx, *lead.convert(at=utcnow()))
    _gives_reason_to_write(tx, lead)
    change_load(tx, lead.agent_id, -1)


def disqualify_lead(tx: AsyncSession, lead: Lead, why: Disqualification) -> None:
    """Record that nothing comes of a lead, which is locked."""
    if why.competitor is not None and why.reason != "competitor":
        raise CompetitorWithoutReason
    outbox.add(tx, lead.disqualify(why.reason, competitor=why.competitor, at=utcnow()))
    change_load(tx, lead.agent_id, -1)


async def reopen_lead(tx: AsyncSession, lead: Lead, settings: Settings) -> None:
    """Take up a disqualified lead, which is locked with its person, again."""
    await _refuse_erased(tx, lead)
    at = utcnow()
    reopened = lead.reopen(question_at(at, settings), at=at)
    await _refuse_second(tx, lead, lead.slot)
    outbox.add(tx, reopened)
    change_load(tx, lead.agent_id, 1)


async def change_lead(tx: AsyncSession, lead: Lead, person: Person, patch: LeadPatch, settings: Settings) -> None:
    """Change the fields that `patch` gives of a lead and its person, which are locked."""
    at = utcnow()
    given = patch.model_fields_set
    lead.refuse_if_merged()
    if given & TELLING:
        await _refuse_erased(tx, lead)
    if "product" in given:
        await _change_slot(tx, lead, slot_of(patch.product, settings))
    if given & MONEY:
        refuse_unknown_currency(patch.currency or lead.currency, settings.currencies)
    if patch.agent_id is not None and patch.agent_id != lead.agent_id:
        await hand_over(tx, lead, patch.agent_id, at=at)
    changed = _changed(lead, person, patch)
    if changed & PERSON_FIELDS:
        _change_person(person, patch)
        outbox.add_card(tx, LEADS_CONTACTS, person.id)
    if changed:
        _change_fields(lead, patch, at)
        outbox.add(tx, lead.updated(tuple(sorted(changed)), province=person.province))


async def hand_over(tx: AsyncSession, lead: Lead, agent_id: UUID, *, at: datetime) -> None:
    """Hand a lead, which is locked, to an agent who is named."""
    await known_agent(tx, agent_id)
    if lead.is_open:
        change_load(tx, lead.agent_id, -1)
        change_load(tx, agent_id, 1)
    outbox.add(tx, lead.assign(agent_id, at=at))


async def known_agent(tx: AsyncSession, agent_id: UUID) -> None:
    """Refuse an `agent_id` that is no active agent's."""
    agent = await tx.get(Agent, agent_id)
    if agent is None or not agent.active:
        raise UnknownAgent(agent_id, "/agent_id")


def _gives_reason_to_write(tx: AsyncSession, lead: Lead) -> None:
    """Publish the card of somebody imported who comes to us: from now on it says that they may be written to."""
    if lead.source == "import":
        outbox.add_card(tx, LEADS_CONTACTS, lead.person_id)


async def _refuse_erased(tx: AsyncSession, lead: Lead) -> None:
    """Refuse to have more told of a lead's person, whom `tx` holds, once they were erased."""
    if await is_erased(tx, [lead.person_id]):
        raise LeadOfErasedPerson(lead.id)


async def _change_slot(tx: AsyncSession, lead: Lead, slot: str) -> None:
    if slot != lead.slot and lead.is_open:
        await _refuse_second(tx, lead, slot)
    lead.slot = slot


async def _refuse_second(tx: AsyncSession, lead: Lead, slot: str) -> None:
    """Raise if the person, whom `tx` holds, has an open lead in `slot` besides this one."""
    with tx.no_autoflush:
        other = await open_lead_of(tx, lead.person_id, slot)
    if other is not None and other.id != lead.id:
        raise OpenLeadExists(other.id)


def _changed(lead: Lead, person: Person, patch: LeadPatch) -> set[str]:
    """Return the fields whose values `patch` changes, but for the agent."""
    given = patch.model_fields_set - {"agent_id"}
    return {name for name in given if getattr(person if name in PERSON_FIELDS else lead, name) != getattr(patch, name)}


def _change_person(person: Person, patch: LeadPatch) -> None:
    given = patch.model_fields_set
    person.first_name = patch.first_name if "first_name" in given else person.first_name
    person.last_name = patch.last_name if "last_name" in given else person.last_name
    person.province = patch.province if "province" in given else person.province
    person.city = patch.city if "city" in given else person.city
    person.name_folded = folded_name(person.first_name, person.last_name)


def _change_fields(lead: Lead, patch: LeadPatch, at: datetime) -> None:
    given = patch.model_fields_set
    lead.kind = patch.kind or lead.kind
    lead.awareness = patch.awareness if "awareness" in given else lead.awareness
    lead.campaign = patch.campaign if "campaign" in given else lead.campaign
    lead.product = patch.product if "product" in given else lead.product
    lead.cost_minor = patch.cost_minor if "cost_minor" in given else lead.cost_minor
    lead.currency = patch.currency or lead.currency
    lead.note = patch.note if "note" in given else lead.note
    if "expected_amount_minor" in given:
        lead.expected_amount_minor = patch.expected_amount_minor
    lead.updated_at = at
