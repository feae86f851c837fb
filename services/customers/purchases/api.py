"""The purchases API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from services.customers.coupons.errors import (
    CouponAlreadyUsed,
    CouponExpired,
    CouponNotFound,
    CouponNotYetIssued,
    CouponOfAnother,
    CouponOfAnotherCurrency,
)
from services.customers.customers.schemas import BulkOut
from services.customers.people.errors import CustomerNotFound, PersonErased, PhoneIsShared
from services.customers.purchases import bulk, queries, recording, usecases
from services.customers.purchases.errors import (
    ExternalIdTaken,
    PurchaseAlreadyCancelled,
    PurchaseNotFound,
    RefundBeforePurchase,
    RefundTooLarge,
)
from services.customers.purchases.items import past, prepare
from services.customers.purchases.schemas import BULK_BODY, PurchaseCreate, PurchaseOut, PurchasePage, RefundCreate
from shared.clock import utcnow
from shared.web import PageDep, RuntimeDep, Tx, problems, requires, router_for
from shared.web.fields import Code, Instant
from shared.web.idempotency import about

router = router_for("customers", prefix="/v1/purchases", tags=["purchases"])


@router.post(
    "",
    status_code=201,
    summary="Record a purchase",
    response_model=PurchaseOut,
    dependencies=[requires("customers:write")],
    responses=problems(
        CustomerNotFound,
        PersonErased,
        PhoneIsShared,
        ExternalIdTaken,
        CouponNotFound,
        CouponAlreadyUsed,
        CouponNotYetIssued,
        CouponExpired,
        CouponOfAnother,
        CouponOfAnotherCurrency,
    )
    | {200: {"model": PurchaseOut, "description": "The purchase of this external id, recorded before."}},
)
async def record_purchase(body: PurchaseCreate, tx: Tx, runtime: RuntimeDep, response: Response) -> PurchaseOut:
    """Record a purchase, and open its customer if they are not known.

    A repeat of an external id with the same content answers 200 with the purchase as it is. A coupon is redeemed
    with the purchase, exactly once; it has to be issued by then, and stays used when the purchase is cancelled later.
    """
    now = utcnow()
    purchase = prepare(body.item(), now=now, currencies=runtime.settings.currencies)
    recorded = await recording.record_purchase(tx, purchase, now=now)
    about(tx, recorded.person_id)
    if recorded.new:
        return PurchaseOut.recorded(purchase, now)
    response.status_code = 200
    return PurchaseOut.of(await queries.read_purchase(tx, recorded.id))


@router.post(
    "/bulk",
    summary="Record up to 10,000 purchases",
    response_model=BulkOut,
    dependencies=[requires("customers:write")],
    openapi_extra=BULK_BODY,
)
async def import_purchases(request: Request, tx: Tx, runtime: RuntimeDep) -> Response:
    """Take JSON (`{"items": […]}` or a bare array) or NDJSON; each item gets a result of its own.

    Each names its customer as a single purchase does; who is not known is opened. An item whose `source` and
    `external_id` came before with the same content is `unchanged`. Items that do not fit are refused one by one.
    """
    return await bulk.import_purchases(request, tx, runtime.settings.currencies)


@router.get(
    "",
    summary="List purchases",
    response_model=PurchasePage,
    dependencies=[requires("customers:read")],
    responses=problems(PersonErased),
)
async def list_purchases(
    tx: Tx,
    page: PageDep,
    person_id: Annotated[UUID | None, Query(description="Only this customer's, under any of their ids.")] = None,
    product: Annotated[Code | None, Query(description="Only those with this product.")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Occurred then or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Occurred before.")] = None,
) -> PurchasePage:
    """Return purchases, the last that occurred first."""
    purchases, cursor = await queries.list_purchases(
        tx, page, person_id=person_id, product=product, since=since, until=until
    )
    return PurchasePage(items=[PurchaseOut.of(each) for each in purchases], next_cursor=cursor)


@router.get(
    "/{purchase_id}",
    summary="Read a purchase",
    response_model=PurchaseOut,
    dependencies=[requires("customers:read")],
    responses=problems(PurchaseNotFound),
)
async def read_purchase(purchase_id: UUID, tx: Tx) -> PurchaseOut:
    return PurchaseOut.of(await queries.read_purchase(tx, purchase_id))


@router.post(
    "/{purchase_id}/refunds",
    status_code=201,
    summary="Give back part of a purchase's value",
    response_model=PurchaseOut,
    dependencies=[requires("customers:write")],
    responses=problems(PurchaseNotFound, PurchaseAlreadyCancelled, RefundBeforePurchase, RefundTooLarge),
)
async def refund_purchase(purchase_id: UUID, body: RefundCreate, tx: Tx) -> PurchaseOut:
    """Record a refund. All refunds of a purchase together never exceed what was paid, and none is before it."""
    now = utcnow()
    occurred_at = past(body.occurred_at, now=now)
    purchase = await usecases.refund_purchase(tx, purchase_id, body.amount_minor, occurred_at=occurred_at, now=now)
    about(tx, purchase.person_id)
    return PurchaseOut.of(purchase)


@router.post(
    "/{purchase_id}/cancel",
    summary="Cancel a purchase",
    response_model=PurchaseOut,
    dependencies=[requires("customers:write")],
    responses=problems(PurchaseNotFound),
)
async def cancel_purchase(purchase_id: UUID, tx: Tx) -> PurchaseOut:
    """Let a purchase count nowhere, as if it had not been. Coupons redeemed with it, or earned by it, stay so."""
    purchase = await usecases.cancel_purchase(tx, purchase_id, now=utcnow())
    about(tx, purchase.person_id)
    return PurchaseOut.of(purchase)
