"""Reading purchases: one, or a list by customer, product and time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, selectinload

from services.customers.people.identity import ids_of, resolve
from services.customers.purchases.errors import PurchaseNotFound
from services.customers.purchases.models import Line, Purchase
from shared.db import driver
from shared.web import Keyset, LeadingFilter, PageParams, page_of

KEYSET: Final = Keyset(sorts={"occurred_at": Purchase.occurred_at}, id=Purchase.id, default="-occurred_at")
OF_A_PRODUCT: Final = Keyset(sorts={"occurred_at": Line.occurred_at}, id=Line.purchase_id, default="-occurred_at")
"""The same order, of those with a product: found by its lines."""


async def read_purchase(tx: AsyncSession, purchase_id: UUID) -> Purchase:
    """Return a purchase with its lines and refunds."""
    purchase: Purchase | None = await tx.scalar(_with_parts(select(Purchase).where(Purchase.id == purchase_id)))
    if purchase is None:
        raise PurchaseNotFound(purchase_id)
    return purchase


async def list_purchases(
    tx: AsyncSession,
    params: PageParams,
    *,
    person_id: UUID | None = None,
    product: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[list[Purchase], str | None]:
    """Return a page of purchases that occurred in `[since, until)`; a customer's under all ids that mean them."""
    statement, span = _with_parts(select(Purchase)), (since, until)
    filters = {"person_id": person_id, "product": product, "since": since, "until": until}
    if product is not None and person_id is None:
        statement = statement.join(Line, Line.purchase_id == Purchase.id).where(_is_first_of_its_product())
        return await page_of(
            tx, statement, OF_A_PRODUCT, params, filters, LeadingFilter.of(Line, filters, "product"), span
        )
    if person_id is not None:
        statement = statement.where(Purchase.person_id.in_(await _ids(tx, person_id)))
    if product is not None:
        statement = statement.where(exists().where(Line.purchase_id == Purchase.id, Line.product == product))
    return await page_of(tx, statement, KEYSET, params, filters, span=span)


def _is_first_of_its_product() -> ColumnElement[bool]:
    """Return the condition of one line a purchase: its product may stand on several.

    All of it is in the subquery: the planner takes what equals a subquery for one row in two hundred, and would rather
    sort all lines of a product than believe that its index soon has enough.
    """
    same = aliased(Line)
    is_first = select(func.min(same.place) == Line.place)
    return is_first.where(same.purchase_id == Line.purchase_id, same.product == Line.product).scalar_subquery()


async def _ids(tx: AsyncSession, person_id: UUID) -> list[UUID]:
    connection = driver(tx)
    return await ids_of(connection, await resolve(connection, person_id))


def _with_parts(statement: Select[Any]) -> Select[Any]:
    return statement.options(selectinload(Purchase.lines), selectinload(Purchase.refunds))
