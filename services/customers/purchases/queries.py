"""Reading purchases: one, or a list by customer, product and time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from services.customers.people.identity import ids_of, resolve
from services.customers.purchases.errors import PurchaseNotFound
from services.customers.purchases.models import Line, Purchase
from shared.db import driver
from shared.web import Keyset, PageParams, page_of

KEYSET: Final = Keyset(sorts={"occurred_at": Purchase.occurred_at}, id=Purchase.id, default="-occurred_at")


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
    statement = _with_parts(select(Purchase))
    if person_id is not None:
        statement = statement.where(Purchase.person_id.in_(await _ids(tx, person_id)))
    if product is not None:
        statement = statement.where(exists().where(Line.purchase_id == Purchase.id, Line.product == product))
    filters = {"person_id": person_id, "product": product, "since": since, "until": until}
    return await page_of(tx, statement, KEYSET, params, filters, span=(since, until))


async def _ids(tx: AsyncSession, person_id: UUID) -> list[UUID]:
    connection = driver(tx)
    return await ids_of(connection, await resolve(connection, person_id))


def _with_parts(statement: Select[Any]) -> Select[Any]:
    return statement.options(selectinload(Purchase.lines), selectinload(Purchase.refunds))
