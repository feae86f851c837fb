"""`/v1/leads`: captured, read, listed, changed, erased."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from services.leads.agents.errors import UnknownAgent
from services.leads.fields import CodeText, MobileAsTyped, Name
from services.leads.leads.access import own_leads_of
from services.leads.leads.capture import Captured, capture_lead
from services.leads.leads.erasing import erase_lead
from services.leads.leads.errors import (
    LeadIsMerged,
    LeadNotFound,
    LeadOfErasedPerson,
    NoWayToReach,
    OpenLeadExists,
    PersonIsCustomer,
)
from services.leads.leads.queries import LeadFilters, find_lead, person_of
from services.leads.leads.queries import list_leads as page_of_leads
from services.leads.leads.rules import LeadStatus
from services.leads.leads.schemas import (
    MONEY,
    CaptureOut,
    LeadCreate,
    LeadOut,
    LeadPage,
    LeadPatch,
    mask_listed,
    shown,
)
from services.leads.leads.strangers import Strangers
from services.leads.leads.usecases import change_lead, lock_lead_of_person
from shared.contracts.leads import LeadSource
from shared.errors import PreconditionFailed
from shared.persian.phone import mobile
from shared.web import (
    Opening,
    PageDep,
    Principal,
    PrincipalDep,
    Reading,
    RuntimeDep,
    Tx,
    answer_of,
    check_if_match,
    etag,
    problems,
    requires,
    router_for,
)
from shared.web.auth import refuse_to_search
from shared.web.fields import Instant, UnknownCurrency, refuse_unknown_currency
from shared.web.idempotency import AttemptDep, about

router = router_for("leads", prefix="/v1/leads", tags=["leads"])


async def _filters(
    principal: PrincipalDep,
    status: Annotated[LeadStatus | None, Query(description="Where the lead stands.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Whose leads.")] = None,
    source: Annotated[LeadSource | None, Query(description="Where they came from.")] = None,
    product: Annotated[CodeText | None, Query(description="What they want.")] = None,
    phone: Annotated[MobileAsTyped | None, Query(description="The person's number, typed in any way.")] = None,
    overdue: Annotated[bool | None, Query(description="Whether something is unanswered past its time.")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Captured then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Captured before.")] = None,
    name: Annotated[
        Name | None, Query(description="Beginnings of words of the name, in any spelling; needs pii:read.")
    ] = None,
) -> LeadFilters:
    if name is not None:
        refuse_to_search(principal, "name")
    return LeadFilters(
        status=status,
        agent_id=own_leads_of(principal) or agent_id,
        source=source,
        product=product,
        phone=mobile(phone) if phone is not None else None,
        overdue=overdue,
        since=since,
        until=until,
        name=name,
    )


@router.post(
    "",
    status_code=201,
    response_model=CaptureOut,
    dependencies=[requires("leads:write")],
    responses={
        **problems(NoWayToReach, UnknownCurrency),
        200: {"model": CaptureOut, "description": "The person has this lead already."},
    },
    operation_id="capture_lead",
    summary="Capture a lead",
)
async def capture(
    new: LeadCreate, opening: Opening, runtime: RuntimeDep, principal: PrincipalDep, attempt: AttemptDep
) -> Response:
    """Record somebody who may buy. 201: a new lead. 200: another touch of the open lead that the person has already.

    The number may be typed in any usual way and in any digits. The lead is assigned, and where somebody has to
    answer it, `response_due_at` says by when. Of another agent's lead, an agent sees no personal data.
    """
    if new.model_fields_set & MONEY:
        refuse_unknown_currency(new.currency, runtime.settings.currencies)
    only_of = own_leads_of(principal)
    answer = partial(_answer, principal, only_of)
    if only_of is None:
        strangers: Strangers = runtime.resources
        answered = await strangers.capture(new, answer, attempt)
        if answered is not None:
            return answered
    tx = await opening()
    captured = await capture_lead(tx, new, runtime.settings, by_agent=only_of)
    about(tx, captured.lead.person_id)
    return answer(captured)


def _answer(principal: Principal, only_of: UUID | None, captured: Captured) -> Response:
    values = shown(captured.lead, captured.person) | {"recaptured": captured.recaptured}
    others = only_of is not None and captured.lead.agent_id != only_of
    if others or not principal.sees_personal_data:
        mask_listed(values)
    status = 200 if captured.recaptured else 201
    return answer_of(values, status=status, headers={"ETag": etag(captured.lead.version)})


@router.get("", response_model=LeadPage, dependencies=[requires("leads:read")], summary="List leads")
async def list_leads(
    filters: Annotated[LeadFilters, Depends(_filters)], reading: Reading, principal: PrincipalDep, page: PageDep
) -> Response:
    """List leads, the newest first. An agent's token without `leads:admin` lists that agent's own."""
    leads, next_cursor = await page_of_leads(reading, filters, page)
    if not principal.sees_personal_data:
        for lead in leads:
            mask_listed(lead)
    return answer_of({"items": leads, "next_cursor": next_cursor})


@router.get(
    "/{lead_id}",
    response_model=LeadOut,
    dependencies=[requires("leads:read")],
    responses=problems(LeadNotFound),
    summary="Read a lead",
)
async def read_lead(lead_id: UUID, tx: Tx, principal: PrincipalDep, response: Response) -> LeadOut:
    """Read a lead, its person, and what waits for an answer."""
    lead, person = await find_lead(tx, lead_id, of_agent=own_leads_of(principal))
    response.headers["ETag"] = etag(lead.version)
    return LeadOut.shown_to(principal, lead, person)


@router.patch(
    "/{lead_id}",
    response_model=LeadOut,
    dependencies=[requires("leads:write")],
    responses=problems(
        LeadIsMerged,
        LeadNotFound,
        LeadOfErasedPerson,
        OpenLeadExists,
        PreconditionFailed,
        UnknownAgent,
        UnknownCurrency,
    ),
    summary="Change a lead",
)
async def patch_lead(
    lead_id: UUID,
    patch: LeadPatch,
    tx: Tx,
    runtime: RuntimeDep,
    principal: PrincipalDep,
    request: Request,
    response: Response,
) -> LeadOut:
    """Change what is given; `If-Match` with the `ETag` read before keeps two people from overwriting each other."""
    lead = await lock_lead_of_person(tx, lead_id, of_agent=own_leads_of(principal))
    check_if_match(request, lead.version)
    person = await person_of(tx, lead)
    await change_lead(tx, lead, person, patch, runtime.settings)
    await tx.flush()
    response.headers["ETag"] = etag(lead.version)
    return LeadOut.shown_to(principal, lead, person)


@router.delete(
    "/{lead_id}",
    status_code=204,
    dependencies=[requires("leads:admin")],
    responses=problems(LeadNotFound, PersonIsCustomer),
    operation_id="erase_lead",
    summary="Erase a lead's person",
)
async def erase(lead_id: UUID, tx: Tx) -> None:
    """Erase the person of a lead, who is no customer, everywhere: names, numbers, addresses and notes go."""
    await erase_lead(tx, lead_id)
