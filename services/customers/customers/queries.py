"""Reading customers: one, a list, and who is calling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import false, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.models import Classification, has_type
from services.customers.customers import sql
from services.customers.customers.models import Customer
from services.customers.customers.profile import name_key
from services.customers.customers.schemas import Caller, Callers, CustomerOut, OpenTicket, RecentPurchase
from services.customers.people.errors import CustomerNotFound
from services.customers.people.identity import look_up, resolve
from shared.contracts.customers import CustomerType
from shared.db import driver
from shared.web import Keyset, LeadingFilter, PageParams, Principal, equal_to, page_of
from shared.web.masking import mask_email, mask_name, mask_phone

KEYSET: Final = Keyset(sorts={"created_at": Customer.created_at}, id=Customer.id, default="-created_at")
CLASSIFIED: Final = Keyset(
    sorts={"created_at": Classification.opened_at}, id=Classification.person_id, default="-created_at"
)
"""The same order, of those who have a type or a stage: found where these are kept."""

USUAL: Final = frozenset({"actual", "former", "lapsed"})
"""What most customers are in the long run: their province tells them better apart."""

LAST_PURCHASES: Final = 5


async def read_customer(tx: AsyncSession, person_id: UUID) -> Customer:
    """Return a customer by their id or one that was merged into it; raises `PersonErased`, `CustomerNotFound`."""
    resolved = await resolve(driver(tx), person_id)
    while (customer := await tx.get(Customer, resolved)) is None:
        now_means = await resolve(driver(tx), person_id)
        if now_means == resolved:
            raise CustomerNotFound(person_id)
        resolved = now_means  # merged between the two statements
    return customer


async def list_customers(
    tx: AsyncSession,
    params: PageParams,
    *,
    type_: CustomerType | None = None,
    stage: str | None = None,
    province: str | None = None,
    name: str | None = None,
) -> tuple[list[Customer], str | None]:
    """Return a page of customers; `name` is the beginning of the full name, in any spelling."""
    filters = {"type": type_, "stage": stage, "province": province, "name": name}
    statement = select(Customer)
    if name is not None:
        key = name_key(name)
        statement = statement.where(Customer.name_key.startswith(key, autoescape=True) if key else false())
    if type_ is not None or stage is not None:
        statement = statement.join(Classification, Classification.person_id == Customer.id)
    if type_ is not None:
        statement = statement.where(text(has_type(type_)))
    if (type_ is None and stage is None) or (province is not None and USUAL & {type_, stage}):
        statement = statement.where(*equal_to(Classification, {"stage": stage}, None))
        return await page_of(tx, statement, KEYSET, params, filters, LeadingFilter.of(Customer, filters, "province"))
    leading = LeadingFilter.of(Classification, filters, "stage") if type_ is None else None
    statement = statement.where(
        *equal_to(Classification, {"stage": stage}, leading), *equal_to(Customer, {"province": province}, None)
    )
    return await page_of(tx, statement, CLASSIFIED, params, filters, leading)


async def shown(tx: AsyncSession, customers: Sequence[Customer], principal: Principal) -> list[CustomerOut]:
    """Return customers as the API gives them, masked for whoever may not see personal data."""
    return [CustomerOut.model_validate(each) for each in await _shown(tx, customers, principal)]


async def _shown(tx: AsyncSession, customers: Sequence[Customer], principal: Principal) -> list[dict[str, Any]]:
    details = {row["id"]: row for row in await driver(tx).fetch(sql.DETAILS, [each.id for each in customers])}
    rows = [_as_shown(each, dict(details[each.id])) for each in customers]
    return rows if principal.sees_personal_data else [_masked(row) for row in rows]


def _as_shown(customer: Customer, details: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(customer, name) for name in sql.COLUMNS}
    return row | {
        "birth_date_jalali": customer.birth_date_jalali,
        "phones": details["phones"] or [],
        "shared_phones": details["shared_phones"] or [],
        "external_ids": details["external_ids"] or [],
        "alias_ids": details["alias_ids"] or [],
        "types": details["types"] or [],
        "type_reasons": details["reasons"] or {},
        "stage": details["stage"] or "reach",
        "stage_reason": details["stage_reason"] or "known",
    }


def _masked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "first_name": mask_name(row["first_name"]),
        "last_name": mask_name(row["last_name"]),
        "phones": [mask_phone(phone) for phone in row["phones"]],
        "shared_phones": [mask_phone(phone) for phone in row["shared_phones"]],
        "emails": [mask_email(email) for email in row["emails"]],
        "birth_date": None,
        "birth_date_jalali": None,
    }


async def who_calls(tx: AsyncSession, phone: str, principal: Principal) -> Callers:
    """Return whom a number belongs to, with what an agent should know before they say hello."""
    directory = await look_up(driver(tx), [phone])
    owner = directory.customers.get(phone)
    ids = sorted({owner} if owner is not None else directory.shared.get(phone, set()))
    customers = (
        list(await tx.scalars(select(Customer).where(Customer.id.in_(ids)).order_by(Customer.id))) if ids else []
    )
    purchases, tickets = await _last_purchases(tx, ids), await _open_tickets(tx, ids, principal)
    items = [
        Caller.model_validate(row | {"last_purchases": purchases[row["id"]], "open_tickets": tickets[row["id"]]})
        for row in (await _shown(tx, customers, principal) if customers else [])
    ]
    return Callers(
        phone=phone if principal.sees_personal_data else mask_phone(phone),
        items=items,
        lead_person_id=directory.leads.get(phone),
    )


async def _last_purchases(tx: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, list[RecentPurchase]]:
    found: defaultdict[UUID, list[RecentPurchase]] = defaultdict(list)
    for row in await driver(tx).fetch(sql.LAST_PURCHASES, list(ids), LAST_PURCHASES) if ids else ():
        found[row["person_id"]].append(RecentPurchase.model_validate(dict(row)))
    return found


async def _open_tickets(tx: AsyncSession, ids: Sequence[UUID], principal: Principal) -> Mapping[UUID, list[OpenTicket]]:
    found: defaultdict[UUID, list[OpenTicket]] = defaultdict(list)
    for row in await driver(tx).fetch(sql.OPEN_TICKETS, list(ids)) if ids else ():
        ticket = OpenTicket.model_validate(dict(row))
        if not principal.sees_personal_data:
            ticket.subject = None
        found[row["owner_id"]].append(ticket)
    return found
