"""The coupons API."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from services.customers.coupons.errors import CouponNotFound
from services.customers.coupons.models import Coupon
from services.customers.coupons.schemas import CouponCreate, CouponOut, CouponPage
from services.customers.coupons.usecases import find_coupon, issue_by_hand
from services.customers.people.errors import CustomerNotFound, PersonErased
from services.customers.people.identity import ids_of, resolve
from shared.clock import utcnow
from shared.db import driver
from shared.web import Keyset, PageDep, RuntimeDep, Tx, page_of, problems, requires, router_for
from shared.web.fields import UnknownCurrency
from shared.web.idempotency import about

router = router_for("customers", prefix="/v1/coupons", tags=["coupons"])

KEYSET: Final = Keyset(sorts={"issued_at": Coupon.issued_at}, id=Coupon.id, default="-issued_at")


@router.post(
    "",
    status_code=201,
    summary="Issue a coupon by hand",
    response_model=CouponOut,
    dependencies=[requires("customers:write")],
    responses=problems(CustomerNotFound, PersonErased, UnknownCurrency),
)
async def issue_coupon(body: CouponCreate, tx: Tx, runtime: RuntimeDep) -> Coupon:
    """Issue a coupon to a customer. Its code has letters and digits that are not mistaken for each other."""
    coupon = await issue_by_hand(tx, **body.model_dump(), now=utcnow(), currencies=runtime.settings.currencies)
    about(tx, coupon.person_id)
    return coupon


@router.get(
    "",
    summary="List coupons",
    response_model=CouponPage,
    dependencies=[requires("customers:read")],
    responses=problems(PersonErased),
)
async def list_coupons(
    tx: Tx,
    page: PageDep,
    person_id: Annotated[UUID | None, Query(description="Only this customer's, under any of their ids.")] = None,
) -> CouponPage:
    """Return coupons, the last issued first."""
    statement = select(Coupon)
    if person_id is not None:
        connection = driver(tx)
        ids = await ids_of(connection, await resolve(connection, person_id))
        statement = statement.where(Coupon.person_id.in_(ids))
    coupons, cursor = await page_of(tx, statement, KEYSET, page, {"person_id": person_id})
    return CouponPage(items=[CouponOut.model_validate(each) for each in coupons], next_cursor=cursor)


@router.get(
    "/{code}",
    summary="Read a coupon by its code",
    response_model=CouponOut,
    dependencies=[requires("customers:read")],
    responses=problems(CouponNotFound),
)
async def read_coupon(code: str, tx: Tx) -> Coupon:
    """Return a coupon; the code may be typed in any case, with spaces or dashes."""
    return await find_coupon(tx, code)
