"""Erasing the person of a lead who never became a customer."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.leads.errors import PersonIsCustomer
from services.leads.leads.usecases import lock_lead_of_person
from services.leads.persons.erasure import erase_persons
from services.leads.persons.identity import same_persons
from services.leads.persons.models import Contact
from shared import outbox
from shared.clock import utcnow
from shared.contracts.leads import LeadErased


async def erase_lead(tx: AsyncSession, lead_id: UUID) -> None:
    """Erase the person of a lead, by all their ids; refused for a customer, whom the customers service erases."""
    at = utcnow()
    person_id = (await lock_lead_of_person(tx, lead_id)).person_id
    ids = (await same_persons(tx, [person_id]))[person_id]
    customer = select(Contact.person_id).where(Contact.person_id.in_(ids), ~Contact.erased).limit(1)
    customer_id = await tx.scalar(customer)
    if customer_id is not None:
        raise PersonIsCustomer(customer_id)
    if await erase_persons(tx, ids, at=at):
        others = tuple(sorted(ids - {person_id}))
        outbox.add(tx, LeadErased(person_id=person_id, alias_ids=others, occurred_at=at))
