"""What the panel tells of what it sent and received, and of the account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse

from services.sandbox import inbound, lines, messages
from services.sandbox.numbers import mobile as mobile_of
from services.sandbox.sandbox import SandboxDep
from services.sandbox.smsir.answers import Refusal, answer
from services.sandbox.smsir.gate import FaultyRoute, LiveKey
from shared.clock import utcnow

router = APIRouter(route_class=FaultyRoute)

MOST_A_PAGE = 100
EARLY_HOURS = timedelta(hours=6)
"""So long into a day, the live inbox still shows the day before."""


@dataclass(frozen=True, slots=True)
class Paging:
    limit: int
    offset: int


def paging(
    page_size: Annotated[int, Query(alias="pageSize", ge=1)] = MOST_A_PAGE,
    page_number: Annotated[int, Query(alias="pageNumber", ge=1)] = 1,
) -> Paging:
    limit = min(page_size, MOST_A_PAGE)
    return Paging(limit, (page_number - 1) * limit)


@dataclass(frozen=True, slots=True)
class Span:
    start: datetime
    end: datetime


def archived(
    sandbox: SandboxDep,
    from_date: Annotated[int | None, Query(alias="fromDate", ge=0)] = None,
    to_date: Annotated[int | None, Query(alias="toDate", ge=0)] = None,
) -> Span:
    """Return the span asked for, cut off at the end of yesterday."""
    today, _ = sandbox.today()
    start = datetime.fromtimestamp(from_date or 0, UTC)
    return Span(start, min(datetime.fromtimestamp(to_date, UTC), today) if to_date is not None else today)


PagingDep = Annotated[Paging, Depends(paging)]
ArchivedDep = Annotated[Span, Depends(archived)]


@router.get("/send/live")
async def sent_today(sandbox: SandboxDep, page: PagingDep, live: LiveKey) -> JSONResponse:
    today, _ = sandbox.today()
    return await _sent(sandbox, Span(today, utcnow()), page, live=live)


@router.get("/send/archive")
async def sent_before_today(sandbox: SandboxDep, span: ArchivedDep, page: PagingDep, live: LiveKey) -> JSONResponse:
    return await _sent(sandbox, span, page, live=live)


@router.get("/send/pack")
async def packs_today(sandbox: SandboxDep, page: PagingDep, live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        start, end = sandbox.today()
        packs = await messages.packs_between(connection, start, end, limit=page.limit, offset=page.offset)
    return answer([_pack(pack) for pack in packs] if live else [])


@router.get("/send/pack/{pack_id}")
async def pack(pack_id: UUID, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        rows = await messages.of_pack(connection, pack_id) if live else []
    if not rows:
        raise Refusal(111)
    return answer([messages.report(row, utcnow()) for row in rows])


@router.get("/send/{message_id}")
async def message(message_id: int, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        row = await messages.by_id(connection, message_id) if live else None
    if row is None:
        raise Refusal(111)
    return answer(messages.report(row, utcnow()))


@router.get("/credit")
async def credit(sandbox: SandboxDep, _live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        return answer(float(await connection.fetchval("SELECT credit FROM panel")))


@router.get("/line")
async def account_lines(sandbox: SandboxDep, _live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        return answer(await lines.numbers(connection))


@router.get("/receive/latest")
async def received_latest(
    sandbox: SandboxDep, live: LiveKey, count: Annotated[int, Query(ge=1)] = MOST_A_PAGE
) -> JSONResponse:
    """Hand out what has not been handed out: each message once, also when two ask at a time."""
    async with sandbox.transaction() as connection:
        rows = await inbound.take_unread(connection, most=min(count, MOST_A_PAGE), now=utcnow()) if live else []
    return answer([_received(row) for row in rows])


@router.get("/receive/live")
async def received_today(
    sandbox: SandboxDep,
    page: PagingDep,
    live: LiveKey,
    newest_first: Annotated[bool, Query(alias="sortByNewest")] = False,
    mobile: str | None = None,
) -> JSONResponse:
    """Show today's inbox again and again, without the ids; early in a day yesterday's too."""
    start, end = sandbox.today()
    if utcnow() - start < EARLY_HOURS:
        start -= timedelta(days=1)
    number = mobile_of(mobile) or 0 if mobile else None
    async with sandbox.transaction() as connection:
        rows = await inbound.between(
            connection, start, end, limit=page.limit, offset=page.offset, newest_first=newest_first, mobile=number
        )
    return answer([_without_id(_received(row)) for row in rows] if live else [])


@router.get("/receive/archive")
async def received_before_today(sandbox: SandboxDep, span: ArchivedDep, page: PagingDep, live: LiveKey) -> JSONResponse:
    async with sandbox.transaction() as connection:
        rows = await inbound.between(connection, span.start, span.end, limit=page.limit, offset=page.offset)
    return answer([_received(row) for row in rows] if live else [])


async def _sent(sandbox: SandboxDep, span: Span, page: Paging, *, live: bool) -> JSONResponse:
    async with sandbox.transaction() as connection:
        rows = await messages.between(connection, span.start, span.end, limit=page.limit, offset=page.offset)
    return answer([messages.report(row, utcnow()) for row in rows] if live else [])


def _pack(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "packId": str(row["id"]),
        "recipientCount": row["recipients"],
        "creationDateTime": messages.unix(row["created_at"]),
    }


def _received(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "receiveReturnId": row["id"],
        "messageText": row["text"],
        "number": row["line"],
        "mobile": row["mobile"],
        "receivedDateTime": messages.unix(row["received_at"]),
    }


def _without_id(received: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in received.items() if key != "receiveReturnId"}
