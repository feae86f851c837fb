"""The customers API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from services.customers.customers import bulk, queries, usecases
from services.customers.customers.erasing import erase_people
from services.customers.customers.merging import merge_by_hand
from services.customers.customers.queries import shown
from services.customers.customers.schemas import (
    BulkOut,
    Callers,
    CustomerCreate,
    CustomerOut,
    CustomerPage,
    CustomerPatch,
    MergeIn,
)
from services.customers.people.errors import CustomerExists, CustomerNotFound, PersonErased, PhoneTaken
from services.customers.people.identity import resolve
from shared.clock import utcnow
from shared.contracts.customers import CustomerType, LifecycleStage
from shared.db import driver
from shared.errors import PreconditionFailed
from shared.persian.phone import Phone
from shared.web import PageDep, PrincipalDep, Tx, etag, problems, requires, router_for
from shared.web.auth import refuse_to_search
from shared.web.idempotency import about

router = router_for("customers", prefix="/v1/customers", tags=["customers"])


@router.post(
    "",
    status_code=201,
    summary="Open a customer",
    response_model=CustomerOut,
    dependencies=[requires("customers:write")],
    responses=problems(CustomerExists),
)
async def create_customer(body: CustomerCreate, tx: Tx, principal: PrincipalDep, response: Response) -> CustomerOut:
    """Open a customer. A number or an external id that names one already is refused with their id."""
    customer = await usecases.create_customer(tx, body)
    about(tx, customer.id)
    response.headers["ETag"] = etag(customer.version)
    return (await shown(tx, [customer], principal))[0]


@router.post(
    "/bulk",
    summary="Open or update up to 10,000 customers",
    response_model=BulkOut,
    dependencies=[requires("customers:write")],
    openapi_extra=bulk.REQUEST_BODY,
)
async def import_customers(request: Request, tx: Tx) -> Response:
    """Take JSON (`{"items": […]}` or a bare array) or NDJSON; each item gets a result of its own.

    An item whose `source` and `external_id`, or whose number, are known updates that customer with what it gives;
    sent again, it changes nothing. Items that do not fit are refused one by one, the others go through.
    """
    return await bulk.import_customers(request, tx)


async def _named(
    principal: PrincipalDep,
    name: Annotated[
        str | None,
        Query(min_length=2, max_length=200, description="The name begins so, in any spelling; needs pii:read."),
    ] = None,
) -> str | None:
    if name is not None:
        refuse_to_search(principal, "name")
    return name


@router.get(
    "",
    summary="List customers",
    response_model=CustomerPage,
    dependencies=[requires("customers:read")],
)
async def list_customers(
    named: Annotated[str | None, Depends(_named)],
    tx: Tx,
    page: PageDep,
    principal: PrincipalDep,
    type_: Annotated[CustomerType | None, Query(alias="type", description="Only those of this type.")] = None,
    stage: Annotated[LifecycleStage | None, Query(description="Only those in this stage.")] = None,
    province: Annotated[str | None, Query(max_length=64, description="Only those of this province.")] = None,
) -> CustomerPage:
    """Return customers, the last opened first."""
    customers, cursor = await queries.list_customers(tx, page, type_=type_, stage=stage, province=province, name=named)
    return CustomerPage(items=await shown(tx, customers, principal), next_cursor=cursor)


@router.get(
    "/lookup",
    summary="Who is calling?",
    response_model=Callers,
    dependencies=[requires("customers:read")],
)
async def look_up_caller(
    tx: Tx,
    principal: PrincipalDep,
    phone: Annotated[Phone, Query(description="The number, in any written form.", examples=["۰۹۹۹ ۰۰۰ ۱۲۳۴"])],
) -> Callers:
    """Return whom a number belongs to: types, preferences, last purchases and open tickets in one answer."""
    return await queries.who_calls(tx, phone, principal)


@router.get(
    "/{person_id}",
    summary="Read a customer",
    response_model=CustomerOut,
    dependencies=[requires("customers:read")],
    responses=problems(CustomerNotFound, PersonErased),
)
async def read_customer(person_id: UUID, tx: Tx, principal: PrincipalDep, response: Response) -> CustomerOut:
    """Return a customer, also by an id that was merged into theirs."""
    customer = await queries.read_customer(tx, person_id)
    response.headers["ETag"] = etag(customer.version)
    return (await shown(tx, [customer], principal))[0]


@router.patch(
    "/{person_id}",
    summary="Change a profile",
    response_model=CustomerOut,
    dependencies=[requires("customers:write")],
    responses=problems(CustomerNotFound, PersonErased, PhoneTaken, PreconditionFailed),
)
async def patch_customer(
    person_id: UUID, body: CustomerPatch, tx: Tx, principal: PrincipalDep, request: Request, response: Response
) -> CustomerOut:
    """Change what is given, and leave the rest as it is. `If-Match` with the ETag guards against lost updates."""
    customer = await usecases.change_customer(tx, person_id, body, request)
    response.headers["ETag"] = etag(customer.version)
    return (await shown(tx, [customer], principal))[0]


@router.post(
    "/{person_id}/merge",
    summary="Merge another id into this customer",
    response_model=CustomerOut,
    dependencies=[requires("customers:write")],
    responses=problems(CustomerNotFound, PersonErased) | {204: {"description": "Both are erased now."}},
)
async def merge_customer(
    person_id: UUID, body: MergeIn, tx: Tx, principal: PrincipalDep, response: Response
) -> CustomerOut | Response:
    """Say that two ids mean one person. What the profile lacks is taken from the other; neither loses a purchase.

    If `merged_id` was erased, this customer is the person who was to be forgotten: they are erased too, and the
    answer is 204.
    """
    await queries.read_customer(tx, person_id)
    survivor = await merge_by_hand(tx, merged_id=body.merged_id, into_id=person_id, at=utcnow())
    if survivor is None:
        return Response(status_code=204)
    customer = await queries.read_customer(tx, survivor)
    about(tx, customer.id)
    response.headers["ETag"] = etag(customer.version)
    return (await shown(tx, [customer], principal))[0]


@router.delete(
    "/{person_id}",
    status_code=204,
    summary="Erase a person",
    dependencies=[requires("customers:admin")],
    responses=problems(CustomerNotFound, PersonErased),
)
async def erase_customer(person_id: UUID, tx: Tx) -> None:
    """Erase everything personal of a customer, in all services. What was bought stays, under an id of nobody."""
    await queries.read_customer(tx, await resolve(driver(tx), person_id))
    await erase_people(tx, [person_id], at=utcnow())
