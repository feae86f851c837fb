"""Erasing persons: names, numbers, addresses and notes go; ids, codes and counts stay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.assignment import change_load
from services.leads.leads.models import IS_OPEN, Lead
from services.leads.leads.touches import Touch
from services.leads.persons import sql
from services.leads.persons.models import Contact, Person
from shared import outbox
from shared.contracts import Received
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.leads import LeadErased
from shared.db import driver
from shared.outbox.erasure import forget_people


async def erase_persons(tx: AsyncSession, person_ids: Collection[UUID], *, at: datetime) -> bool:
    """Empty what we hold of `person_ids`, end their open leads, and send tombstones for their cards.

    Tells whether there was anybody who had not been erased before.
    """
    await _end_open_leads(tx, person_ids, at)
    statement = (
        select(Person)
        .where(Person.id.in_(person_ids), Person.erased_at.is_(None))
        .order_by(Person.id)
        .with_for_update(key_share=True)
    )
    persons = (await tx.scalars(statement)).all()
    for person in persons:
        person.erase(at)
        outbox.add_card(tx, LEADS_CONTACTS, person.id)
    await _empty_notes(tx, person_ids)
    await driver(tx).execute(sql.FORGET_TELLINGS, list(person_ids))
    await forget_people(tx, person_ids)
    return bool(persons)


async def erase_again(tx: AsyncSession, received: Received[LeadErased]) -> None:
    """Erase whom a database restored from an older copy does not know to be erased; the log says so already."""
    event = received.event
    ids = [event.person_id, *event.alias_ids]
    await erase_persons(tx, ids, at=event.occurred_at)
    gone = [{"id": person_id, "erased_at": event.occurred_at, "created_at": event.occurred_at} for person_id in ids]
    await tx.execute(insert(Person).values(gone).on_conflict_do_nothing())


async def is_erased(tx: AsyncSession, person_ids: Collection[UUID]) -> bool:
    """Tell whether any of these ids was erased, here or as a customer."""
    ours = select(Person.id).where(Person.id.in_(person_ids), Person.erased_at.is_not(None))
    customers = select(Contact.person_id).where(Contact.person_id.in_(person_ids), Contact.erased)
    return bool(await tx.scalar(select(ours.exists() | customers.exists())))


async def _end_open_leads(tx: AsyncSession, person_ids: Collection[UUID], at: datetime) -> None:
    statement = select(Lead).where(Lead.person_id.in_(person_ids), IS_OPEN).order_by(Lead.id).with_for_update()
    for lead in await tx.scalars(statement):
        outbox.add(tx, lead.disqualify("other", at=at))
        change_load(tx, lead.agent_id, -1)


async def _empty_notes(tx: AsyncSession, person_ids: Collection[UUID]) -> None:
    leads = select(Lead.id).where(Lead.person_id.in_(person_ids))
    await tx.execute(update(Touch).where(Touch.lead_id.in_(leads), Touch.note.is_not(None)).values(note=None))
    await tx.execute(
        update(Lead)
        .where(Lead.person_id.in_(person_ids), Lead.note.is_not(None))
        .values(note=None, version=Lead.version + 1)
    )
