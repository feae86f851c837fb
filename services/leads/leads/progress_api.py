"""`/v1/leads/{id}/…`: touches, and what becomes of a lead."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.leads.agents.errors import UnknownAgent
from services.leads.leads.access import own_leads_of
from services.leads.leads.errors import (
    CompetitorWithoutReason,
    LeadAlreadyConverted,
    LeadAlreadyDisqualified,
    LeadAlreadyQualified,
    LeadIsDisqualified,
    LeadIsMerged,
    LeadIsOpen,
    LeadNotFound,
    LeadOfErasedPerson,
    OpenLeadExists,
    WrongSpeaker,
)
from services.leads.leads.models import Lead
from services.leads.leads.queries import find_lead, person_of
from services.leads.leads.queries import list_touches as page_of_touches
from services.leads.leads.schemas import Disqualification, LeadOut, TouchCreate, TouchOut, TouchPage
from services.leads.leads.usecases import (
    convert_lead,
    disqualify_lead,
    lock_lead,
    lock_lead_of_person,
    qualify_lead,
    reopen_lead,
    touch_lead,
)
from shared.web import PageDep, Principal, PrincipalDep, RuntimeDep, Tx, etag, problems, requires, router_for
from shared.web.idempotency import about

router = router_for("leads", prefix="/v1/leads/{lead_id}", tags=["leads"])


@router.post(
    "/touches",
    status_code=201,
    response_model=TouchOut,
    dependencies=[requires("leads:write")],
    responses=problems(LeadNotFound, LeadOfErasedPerson, LeadIsMerged, UnknownAgent, WrongSpeaker),
    summary="Record a touch",
)
async def create_touch(
    lead_id: UUID, new: TouchCreate, tx: Tx, runtime: RuntimeDep, principal: PrincipalDep
) -> TouchOut:
    """Record a call, message or visit. The first outbound attempt by a human answers what waits, and so does a visit.

    Response times count from when it is recorded; `occurred_at` is only shown.
    """
    lead = await lock_lead_of_person(tx, lead_id, of_agent=own_leads_of(principal))
    about(tx, lead.person_id)
    touch = await touch_lead(tx, lead, new, runtime.settings, by_agent=principal.agent_id)
    await tx.flush()
    return TouchOut.shown_to(principal, touch)


@router.get(
    "/touches",
    response_model=TouchPage,
    dependencies=[requires("leads:read")],
    responses=problems(LeadNotFound),
    summary="Read a lead's timeline",
)
async def list_touches(lead_id: UUID, tx: Tx, principal: PrincipalDep, page: PageDep) -> TouchPage:
    """List what happened between the person and us, in the order in which it was recorded."""
    await find_lead(tx, lead_id, of_agent=own_leads_of(principal))
    touches, next_cursor = await page_of_touches(tx, lead_id, page)
    return TouchPage(items=[TouchOut.shown_to(principal, touch) for touch in touches], next_cursor=next_cursor)


@router.post(
    "/qualify",
    response_model=LeadOut,
    dependencies=[requires("leads:write")],
    responses=problems(LeadNotFound, LeadAlreadyQualified, LeadAlreadyConverted, LeadIsDisqualified, LeadIsMerged),
    operation_id="qualify_lead",
    summary="Qualify a lead",
)
async def qualify(lead_id: UUID, tx: Tx, principal: PrincipalDep, response: Response) -> LeadOut:
    """Record that they can buy and want to."""
    lead = await lock_lead(tx, lead_id, of_agent=own_leads_of(principal))
    qualify_lead(tx, lead)
    return await _shown(tx, lead, principal, response)


@router.post(
    "/convert",
    response_model=LeadOut,
    dependencies=[requires("leads:write")],
    responses=problems(LeadNotFound, LeadAlreadyConverted, LeadIsDisqualified, LeadIsMerged),
    operation_id="convert_lead",
    summary="Convert a lead",
)
async def convert(lead_id: UUID, tx: Tx, principal: PrincipalDep, response: Response) -> LeadOut:
    """Record that they agreed to buy. The customers service opens the customer; once, however often this is asked."""
    lead = await lock_lead(tx, lead_id, of_agent=own_leads_of(principal))
    convert_lead(tx, lead)
    return await _shown(tx, lead, principal, response)


@router.post(
    "/disqualify",
    response_model=LeadOut,
    dependencies=[requires("leads:write")],
    responses=problems(
        LeadNotFound, LeadAlreadyConverted, LeadAlreadyDisqualified, LeadIsMerged, CompetitorWithoutReason
    ),
    operation_id="disqualify_lead",
    summary="Disqualify a lead",
)
async def disqualify(
    lead_id: UUID, why: Disqualification, tx: Tx, principal: PrincipalDep, response: Response
) -> LeadOut:
    """Record that nothing comes of it, and why."""
    lead = await lock_lead(tx, lead_id, of_agent=own_leads_of(principal))
    disqualify_lead(tx, lead, why)
    return await _shown(tx, lead, principal, response)


@router.post(
    "/reopen",
    response_model=LeadOut,
    dependencies=[requires("leads:write")],
    responses=problems(
        LeadNotFound, LeadIsOpen, LeadIsMerged, LeadAlreadyConverted, LeadOfErasedPerson, OpenLeadExists
    ),
    operation_id="reopen_lead",
    summary="Reopen a lead",
)
async def reopen(lead_id: UUID, tx: Tx, runtime: RuntimeDep, principal: PrincipalDep, response: Response) -> LeadOut:
    """Take a disqualified lead up again. One that was never answered waits for an answer anew."""
    lead = await lock_lead_of_person(tx, lead_id, of_agent=own_leads_of(principal))
    await reopen_lead(tx, lead, runtime.settings)
    return await _shown(tx, lead, principal, response)


async def _shown(tx: AsyncSession, lead: Lead, principal: Principal, response: Response) -> LeadOut:
    """Show a lead that was changed, in its new version."""
    about(tx, lead.person_id)
    await tx.flush()
    response.headers["ETag"] = etag(lead.version)
    return LeadOut.shown_to(principal, lead, await person_of(tx, lead))
