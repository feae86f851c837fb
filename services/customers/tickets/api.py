"""The tickets API."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from services.customers.people.errors import CustomerNotFound, PersonErased
from services.customers.people.identity import ids_of, resolve
from services.customers.tickets import usecases
from services.customers.tickets.errors import (
    TicketIsNotResolved,
    TicketIsResolved,
    TicketNotFound,
    UnknownAgent,
    UnknownPurchase,
)
from services.customers.tickets.models import Ticket
from services.customers.tickets.schemas import (
    AnswerIn,
    AssignIn,
    Kind,
    Priority,
    ResolveIn,
    Status,
    TicketCreate,
    TicketOut,
    TicketPage,
)
from shared.clock import utcnow
from shared.db import driver
from shared.web import (
    Keyset,
    LeadingFilter,
    PageDep,
    PrincipalDep,
    Tx,
    equal_to,
    page_of,
    problems,
    requires,
    router_for,
)
from shared.web.fields import Code
from shared.web.idempotency import about

router = router_for("customers", prefix="/v1/tickets", tags=["tickets"])

KEYSET: Final = Keyset(sorts={"opened_at": Ticket.opened_at}, id=Ticket.id, default="-opened_at")
LEADING_FILTERS: Final = ("status", "agent_id", "product", "priority", "kind")
USUAL: Final = frozenset({"resolved", "normal"})
"""What most tickets are: another filter tells them better apart."""


@router.post(
    "",
    status_code=201,
    summary="Open a ticket",
    response_model=TicketOut,
    dependencies=[requires("customers:write")],
    responses=problems(CustomerNotFound, PersonErased, UnknownPurchase, UnknownAgent),
)
async def open_ticket(body: TicketCreate, tx: Tx, principal: PrincipalDep) -> TicketOut:
    """Open a ticket. A complaint goes to a manager at once unless an agent is named."""
    ticket = await usecases.open_ticket(tx, body, now=utcnow())
    about(tx, ticket.person_id)
    return TicketOut.of(ticket, personal=principal.sees_personal_data)


@router.get(
    "",
    summary="List tickets",
    response_model=TicketPage,
    dependencies=[requires("customers:read")],
    responses=problems(PersonErased),
)
async def list_tickets(
    tx: Tx,
    page: PageDep,
    principal: PrincipalDep,
    person_id: Annotated[UUID | None, Query(description="Only this customer's, under any of their ids.")] = None,
    status: Annotated[Status | None, Query(description="Where the ticket stands.")] = None,
    kind: Annotated[Kind | None, Query(description="Only those of this kind.")] = None,
    priority: Annotated[Priority | None, Query(description="Only those of this priority.")] = None,
    product: Annotated[Code | None, Query(description="Only those about this product.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Only those of this agent.")] = None,
    for_manager: Annotated[bool | None, Query(description="Only those that a manager has to see to.")] = None,
) -> TicketPage:
    """Return tickets, the last opened first."""
    filters: dict[str, Any] = {
        "status": status,
        "kind": kind,
        "priority": priority,
        "product": product,
        "agent_id": agent_id,
        "for_manager": for_manager,
    }
    leading = LeadingFilter.of(Ticket, filters, *LEADING_FILTERS, usual=USUAL) if person_id is None else None
    statement = select(Ticket).options(selectinload(Ticket.answers)).where(*equal_to(Ticket, filters, leading))
    if person_id is not None:
        connection = driver(tx)
        statement = statement.where(
            Ticket.person_id.in_(await ids_of(connection, await resolve(connection, person_id)))
        )
    tickets, cursor = await page_of(tx, statement, KEYSET, page, filters | {"person_id": person_id}, leading)
    items = [TicketOut.of(ticket, personal=principal.sees_personal_data) for ticket in tickets]
    return TicketPage(items=items, next_cursor=cursor)


@router.get(
    "/{ticket_id}",
    summary="Read a ticket",
    response_model=TicketOut,
    dependencies=[requires("customers:read")],
    responses=problems(TicketNotFound),
)
async def read_ticket(ticket_id: UUID, tx: Tx, principal: PrincipalDep) -> TicketOut:
    return TicketOut.of(await usecases.read_ticket(tx, ticket_id), personal=principal.sees_personal_data)


@router.post(
    "/{ticket_id}/assign",
    summary="Hand a ticket to an agent",
    response_model=TicketOut,
    dependencies=[requires("customers:write")],
    responses=problems(TicketNotFound, TicketIsResolved, UnknownAgent),
)
async def assign_ticket(ticket_id: UUID, body: AssignIn, tx: Tx, principal: PrincipalDep) -> TicketOut:
    ticket = await usecases.assign_ticket(tx, ticket_id, body.agent_id, now=utcnow())
    about(tx, ticket.person_id)
    return TicketOut.of(ticket, personal=principal.sees_personal_data)


@router.post(
    "/{ticket_id}/answer",
    summary="Record what the customer was told",
    response_model=TicketOut,
    dependencies=[requires("customers:write")],
    responses=problems(TicketNotFound, TicketIsResolved, PersonErased, UnknownAgent),
)
async def answer_ticket(ticket_id: UUID, body: AnswerIn, tx: Tx, principal: PrincipalDep) -> TicketOut:
    """Record an answer. The first one ends the wait for a first response."""
    ticket = await usecases.answer_ticket(tx, ticket_id, body, by=principal.agent_id, now=utcnow())
    about(tx, ticket.person_id)
    return TicketOut.of(ticket, personal=principal.sees_personal_data)


@router.post(
    "/{ticket_id}/resolve",
    summary="Resolve a ticket",
    response_model=TicketOut,
    dependencies=[requires("customers:write")],
    responses=problems(TicketNotFound, TicketIsResolved),
)
async def resolve_ticket(ticket_id: UUID, body: ResolveIn, tx: Tx, principal: PrincipalDep) -> TicketOut:
    """Close a ticket with its cause, so that it can be warned of at the next purchase."""
    ticket = await usecases.resolve_ticket(tx, ticket_id, body.cause, now=utcnow())
    about(tx, ticket.person_id)
    return TicketOut.of(ticket, personal=principal.sees_personal_data)


@router.post(
    "/{ticket_id}/reopen",
    summary="Open a resolved ticket again",
    response_model=TicketOut,
    dependencies=[requires("customers:write")],
    responses=problems(TicketNotFound, TicketIsNotResolved),
)
async def reopen_ticket(ticket_id: UUID, tx: Tx, principal: PrincipalDep) -> TicketOut:
    """Open a resolved ticket again; it keeps its clock."""
    ticket = await usecases.reopen_ticket(tx, ticket_id, now=utcnow())
    about(tx, ticket.person_id)
    return TicketOut.of(ticket, personal=principal.sees_personal_data)
