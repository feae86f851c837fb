"""Tickets: opened by hand or by a bad answer, handed over, answered, resolved, opened again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from services.customers.people.errors import PersonErased
from services.customers.people.holding import hold_customer
from services.customers.people.identity import resolve_many
from services.customers.tickets.agents import manager_for, refuse_unknown
from services.customers.tickets.errors import TicketNotFound, UnknownPurchase
from services.customers.tickets.models import Cause, Ticket
from services.customers.tickets.schemas import AnswerIn, TicketCreate
from shared import outbox
from shared.contracts.surveys import SurveyAnswered
from shared.db import driver
from shared.ids import derived_id, new_id

PURCHASE: Final = "SELECT true FROM purchases WHERE id = $1"
"""Whose it is does not matter: who uses a thing need not have bought it."""

BAD_ANSWERS: Final = frozenset({"unsatisfied", "detractor"})


async def open_ticket(tx: AsyncSession, body: TicketCreate, *, now: datetime) -> Ticket:
    """Open a ticket; a complaint goes to a manager unless an agent is named."""
    connection = driver(tx)
    person_id = await hold_customer(tx, body.person_id)
    fields = body.model_dump(exclude={"person_id"})
    if body.purchase_id is not None and not await connection.fetchval(PURCHASE, body.purchase_id):
        raise UnknownPurchase(body.purchase_id)
    if body.agent_id is not None:
        await refuse_unknown(connection, body.agent_id)
    elif body.kind == "complaint":
        fields["agent_id"] = await manager_for(connection, None)
    ticket = Ticket(id=new_id(), person_id=person_id, for_manager=body.kind == "complaint", opened_at=now, **fields)
    tx.add(ticket)
    await tx.flush()
    outbox.add(tx, ticket.opened())
    return await _with_answers(tx, ticket)


async def complain_for(tx: AsyncSession, event: SurveyAnswered) -> None:
    """Open a complaint for a manager on a bad answer: one for each invitation, however often the answer is changed."""
    if event.category not in BAD_ANSWERS:
        return
    connection = driver(tx)
    people, erased = await resolve_many(connection, [event.person_id])
    if erased:
        return
    fields: dict[str, Any] = {
        "id": derived_id(event.invitation_id, "complaint"),
        "person_id": people[event.person_id],
        "kind": "complaint",
        "priority": "high",
        "product": event.product,
        "channel": event.channel,
        "purchase_id": event.purchase_id,
        "answer_id": event.answer_id,
        "invitation_id": event.invitation_id,
        "for_manager": True,
        "agent_id": await manager_for(connection, event.agent_id),
        "opened_at": event.occurred_at,
    }
    statement = insert(Ticket).values(**fields).on_conflict_do_nothing(index_elements=["invitation_id"])
    ticket = (await tx.scalars(statement.returning(Ticket))).one_or_none()
    if ticket is not None:
        outbox.add(tx, ticket.opened())


async def assign_ticket(tx: AsyncSession, ticket_id: UUID, agent_id: UUID, *, now: datetime) -> Ticket:
    """Hand a ticket to an agent."""
    ticket = await _lock(tx, ticket_id)
    await refuse_unknown(driver(tx), agent_id)
    event = ticket.assign(agent_id, at=now)
    if event is not None:
        outbox.add(tx, event)
    return await _with_answers(tx, ticket)


async def answer_ticket(tx: AsyncSession, ticket_id: UUID, body: AnswerIn, *, by: UUID | None, now: datetime) -> Ticket:
    """Record what the customer was told, by the agent named or else `by`; nothing is written about one who was erased.

    An erasure empties the ticket, so it has waited for this transaction, or was waited for by the lock.
    """
    ticket = await _lock(tx, ticket_id)
    _, erased = await resolve_many(driver(tx), [ticket.person_id])
    if erased:
        raise PersonErased(ticket.person_id)
    if body.agent_id is not None:
        await refuse_unknown(driver(tx), body.agent_id)
    answer, event = ticket.answer(body.text, agent_id=body.agent_id or by, at=now)
    tx.add(answer)
    outbox.add(tx, event)
    return await _with_answers(tx, ticket)


async def resolve_ticket(tx: AsyncSession, ticket_id: UUID, cause: Cause, *, now: datetime) -> Ticket:
    """Close a ticket with what had caused it."""
    ticket = await _lock(tx, ticket_id)
    outbox.add(tx, ticket.resolve(cause, at=now))
    return await _with_answers(tx, ticket)


async def reopen_ticket(tx: AsyncSession, ticket_id: UUID, *, now: datetime) -> Ticket:
    """Open a resolved ticket again."""
    ticket = await _lock(tx, ticket_id)
    outbox.add(tx, ticket.reopen(at=now))
    return await _with_answers(tx, ticket)


async def read_ticket(tx: AsyncSession, ticket_id: UUID) -> Ticket:
    """Return a ticket with its answers."""
    statement = select(Ticket).where(Ticket.id == ticket_id).options(selectinload(Ticket.answers))
    ticket = await tx.scalar(statement)
    if ticket is None:
        raise TicketNotFound(ticket_id)
    return ticket


async def _lock(tx: AsyncSession, ticket_id: UUID) -> Ticket:
    ticket = await tx.scalar(select(Ticket).where(Ticket.id == ticket_id).with_for_update())
    if ticket is None:
        raise TicketNotFound(ticket_id)
    return ticket


async def _with_answers(tx: AsyncSession, ticket: Ticket) -> Ticket:
    await tx.flush()
    await tx.refresh(ticket, ["answers"])
    return ticket
