"""Opening a customer by hand, and changing a profile."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.marking import mark
from services.customers.customers import sql
from services.customers.customers.merging import merge_leads
from services.customers.customers.models import Customer
from services.customers.customers.opening import Draft, admit
from services.customers.customers.profile import change, code, public, stated
from services.customers.customers.schemas import CustomerCreate, CustomerPatch
from services.customers.people.errors import CustomerExists, CustomerNotFound, PhoneTaken
from services.customers.people.identity import PhoneClaim, SomebodyWasFaster, claim, look_up, resolve, share
from shared import outbox
from shared.clock import utcnow
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerUpdated
from shared.db import driver, savepoint
from shared.errors import Unavailable
from shared.web import check_if_match


async def create_customer(tx: AsyncSession, body: CustomerCreate) -> Customer:
    """Open a customer; raises `CustomerExists` where a number or the external id names one."""
    draft = Draft(
        origin="api",
        at_opening=body.columns() | {"source": body.source},
        phones=list(dict.fromkeys(body.phones or [])),
        shared_phones=list(dict.fromkeys(body.shared_phones or [])),
        external_id=(body.source, body.external_id) if body.source and body.external_id else None,
    )
    await _refuse_known(driver(tx), draft)
    await admit(tx, [draft], at=utcnow())
    person_id = draft.admitted()
    if draft.status != "created":
        raise CustomerExists(person_id, "/phones/0")
    return await _loaded(tx, person_id)


async def _refuse_known(connection: asyncpg.Connection, draft: Draft) -> None:
    known = await look_up(connection, draft.phones, [draft.external_id] if draft.external_id else [])
    if draft.external_id in known.by_external_id:
        raise CustomerExists(known.by_external_id[draft.external_id], "/external_id")
    for place, phone in enumerate(draft.phones):
        if phone in known.customers:
            raise CustomerExists(known.customers[phone], f"/phones/{place}")


async def change_customer(tx: AsyncSession, person_id: UUID, body: CustomerPatch, request: Request) -> Customer:
    """Change a profile as far as `body` says; `If-Match` keeps two people from overwriting each other."""
    connection = driver(tx)
    now = utcnow()
    row = await connection.fetchrow(sql.LOCK, [await resolve(connection, person_id)])
    if row is None:
        raise CustomerNotFound(person_id)
    check_if_match(request, row["version"])
    profile = dict(row)
    changed = change(profile, stated(body.columns(), profile, at=now), at=now)
    if await _change_phones(tx, profile["id"], body):
        changed.append("phones")
    if changed:
        profile |= {"version": row["version"] + 1, "updated_at": now}
        await connection.execute(sql.UPDATE, *sql.columns([profile]))
        await mark(connection, [profile["id"]])
        province = code(profile["province"])
        event = CustomerUpdated(person_id=profile["id"], fields=public(changed), province=province, occurred_at=now)
        outbox.add(tx, event)
        outbox.add_card(tx, CUSTOMERS_CONTACTS, profile["id"])
    return await _loaded(tx, profile["id"])


async def _change_phones(tx: AsyncSession, person_id: UUID, body: CustomerPatch) -> bool:
    """Replace a customer's numbers by those given; a number of another customer's is refused."""
    if not body.model_fields_set & {"phones", "shared_phones"}:
        return False
    connection = driver(tx)
    rows = await connection.fetch("SELECT phone, shared, place FROM phone_numbers WHERE person_id = $1", person_id)
    before = [PhoneClaim(row["phone"], person_id, row["shared"], row["place"]) for row in rows]
    own, shared = ([each.phone for each in before if each.shared is wanted] for wanted in (False, True))
    if "phones" in body.model_fields_set:
        own = body.phones or []
    if "shared_phones" in body.model_fields_set:
        shared = body.shared_phones or []
    after = _claims(person_id, own, shared)
    if sorted(before) == sorted(after):
        return False
    await connection.execute("DELETE FROM phone_numbers WHERE person_id = $1", person_id)
    await _take(tx, after)
    return True


def _claims(person_id: UUID, own: Sequence[str], shared: Sequence[str]) -> list[PhoneClaim]:
    places = dict.fromkeys([*own, *shared])
    return [PhoneClaim(phone, person_id, phone in shared, place) for place, phone in enumerate(places)]


async def _take(tx: AsyncSession, phones: Sequence[PhoneClaim]) -> None:
    connection = driver(tx)
    known = await look_up(connection, [each.phone for each in phones])
    wanted = [each._replace(shared=True) if each.phone in known.shared else each for each in phones]
    _refuse_taken(wanted, known.customers)
    try:
        async with savepoint(connection):
            await claim(connection, [each for each in wanted if not each.shared])
    except SomebodyWasFaster:
        _refuse_taken(wanted, (await look_up(connection, [each.phone for each in wanted])).customers)
        raise Unavailable("The numbers are being given to somebody else; try again.", fa="دوباره بفرستید.") from None
    others = await share(connection, [each for each in wanted if each.shared])
    outbox.add_card(tx, CUSTOMERS_CONTACTS, *others)
    doubles = {known.leads[each.phone]: each.person_id for each in wanted if each.phone in known.leads}
    await merge_leads(tx, {lead: into for lead, into in doubles.items() if lead != into}, at=utcnow())


def _refuse_taken(phones: Sequence[PhoneClaim], owners: dict[str, UUID]) -> None:
    for each in phones:
        if not each.shared and each.phone in owners:
            raise PhoneTaken(each.place, owners[each.phone])


async def _loaded(tx: AsyncSession, person_id: UUID) -> Customer:
    return await tx.get_one(Customer, person_id, populate_existing=True)
