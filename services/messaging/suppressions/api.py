"""Suppressions over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.queries import all_ids
from services.messaging.providers.errors import LineDoesNotFit
from services.messaging.providers.secrets import address_hash
from services.messaging.settings import Settings
from services.messaging.suppressions import usecases
from services.messaging.suppressions.errors import AddressNeeded, AlreadySuppressed, SuppressionNotFound
from services.messaging.suppressions.models import Suppression
from services.messaging.suppressions.schemas import SuppressionCreate, SuppressionOut, SuppressionPage
from shared import outbox
from shared.clock import utcnow
from shared.contracts.messaging import MessageChannel, OptOutWithdrawn
from shared.db import driver
from shared.errors import Invalid
from shared.persian.phone import Mobile
from shared.persian.phone import line as line_number
from shared.web import Keyset, PageDep, RuntimeDep, Tx, page_of, problems, requires, router_for
from shared.web.idempotency import about

router = router_for("messaging", prefix="/v1/suppressions", tags=["suppressions"])

KEYSET = Keyset(sorts={"created_at": Suppression.created_at}, id=Suppression.id, default="-created_at")


@router.get("", summary="List suppressions", response_model=SuppressionPage, dependencies=[requires("messaging:read")])
async def list_suppressions(
    tx: Tx,
    runtime: RuntimeDep,
    page: PageDep,
    person_id: Annotated[UUID | None, Query(description="Whose addresses, by any of their ids.")] = None,
    phone: Annotated[Mobile | None, Query(description="The number, typed in any way.")] = None,
) -> SuppressionPage:
    """Return who gets nothing, of one person or one number where that is given."""
    statement = select(Suppression)
    if person_id is not None:
        statement = statement.where(Suppression.person_id.in_(await all_ids(driver(tx), [person_id])))
    if phone is not None:
        statement = statement.where(Suppression.address_hash == address_hash(runtime.settings, "sms", phone))
    rows, cursor = await page_of(tx, statement, KEYSET, page, {"person_id": person_id, "phone": phone})
    return SuppressionPage(items=[_shown(row) for row in rows], next_cursor=cursor)


@router.post(
    "",
    summary="Suppress an address",
    status_code=201,
    response_model=SuppressionOut,
    responses=problems(AddressNeeded, AlreadySuppressed, LineDoesNotFit),
    dependencies=[requires("messaging:write")],
)
async def create_suppression(body: SuppressionCreate, tx: Tx, runtime: RuntimeDep) -> SuppressionOut:
    """Keep an address from getting messages, as its owner asked by another way than a reply."""
    channel, address = _address(body)
    if body.person_id is not None:
        about(tx, body.person_id)
    new = await _suppress(tx, runtime.settings, body, channel, address)
    if new is None:
        raise AlreadySuppressed
    return _shown(await tx.get_one(Suppression, new))


@router.delete(
    "/{suppression_id}",
    summary="Lift a suppression",
    status_code=204,
    responses=problems(SuppressionNotFound),
    dependencies=[requires("messaging:write")],
)
async def delete_suppression(suppression_id: UUID, tx: Tx) -> None:
    """Let an address get messages again."""
    found = await tx.get(Suppression, suppression_id, with_for_update=True)
    if found is None:
        raise SuppressionNotFound(suppression_id)
    await tx.delete(found)
    if found.person_id is not None:
        withdrawn = OptOutWithdrawn(
            occurred_at=utcnow(),
            person_id=found.person_id,
            channel="sms" if found.channel == "sms" else "email",
            line=found.line or None,
            source="api",
        )
        outbox.add(tx, withdrawn)


def _address(body: SuppressionCreate) -> tuple[MessageChannel, str]:
    if body.phone is not None and body.email is None:
        return "sms", body.phone
    if body.email is not None and body.phone is None:
        return "email", body.email
    raise AddressNeeded


async def _suppress(
    tx: AsyncSession, settings: Settings, body: SuppressionCreate, channel: MessageChannel, address: str
) -> UUID | None:
    return await usecases.opt_out(
        tx,
        settings,
        channel=channel,
        address=address,
        source="api",
        now=utcnow(),
        line=_line(body, channel),
        purpose=body.purpose or "",
        person_id=body.person_id,
    )


def _line(body: SuppressionCreate, channel: MessageChannel) -> str:
    """Return the line as accounts have it, so that the two are found equal."""
    if body.line is None or channel == "email":
        return body.line or ""
    try:
        return line_number(body.line)
    except Invalid as error:
        raise LineDoesNotFit("/line", error.code, error.detail, error.detail_fa or "") from error


def _shown(row: Suppression) -> SuppressionOut:
    return SuppressionOut.model_validate(
        {
            "id": row.id,
            "channel": row.channel,
            "line": row.line or None,
            "purpose": row.purpose or None,
            "source": row.source,
            "person_id": row.person_id,
            "created_at": row.created_at,
        }
    )
