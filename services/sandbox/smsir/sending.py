"""POST /send/bulk, /send/likeToLike, /send/verify and DELETE /send/scheduled/{packId}."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import randrange
from typing import Any
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from services.sandbox import lines, messages
from services.sandbox.sandbox import Sandbox, SandboxDep
from services.sandbox.settings import VERIFY_LINE
from services.sandbox.smsir import orders
from services.sandbox.smsir.answers import Refusal, answer
from services.sandbox.smsir.gate import FaultyRoute, LiveKey
from services.sandbox.smsir.orders import Order
from shared.clock import utcnow

router = APIRouter(prefix="/send", route_class=FaultyRoute)

CANCEL_UNTIL = timedelta(minutes=3)
TEST_TEMPLATE_ID, TEST_TEMPLATE = 123456, "کد تایید شما: #CODE#"


@router.post("/bulk")
async def bulk(request: Request, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    order = orders.read_bulk(await _body(request), await _lines(sandbox), now=utcnow())
    return answer(_pack(await _send(sandbox, order, live=live)))


@router.post("/likeToLike")
async def like_to_like(request: Request, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    order = orders.read_like_to_like(await _body(request), await _lines(sandbox), now=utcnow())
    return answer(_pack(await _send(sandbox, order, live=live)))


@router.post("/verify")
async def verify(request: Request, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    body = await _body(request)
    template = await _template(sandbox, orders.template_id(body), live=live)
    order = orders.read_verify(body, template, line=VERIFY_LINE, now=utcnow())
    accepted = await _send(sandbox, order, live=live)
    if accepted.ids == [0]:
        raise Refusal(115)
    return answer({"messageId": accepted.ids[0], "cost": float(accepted.cost)})


@router.delete("/scheduled/{pack_id}")
async def cancel(pack_id: UUID, sandbox: SandboxDep, live: LiveKey) -> JSONResponse:
    if not live:
        raise Refusal(112)
    async with sandbox.transaction() as connection:
        count, credit = await messages.cancel(connection, pack_id, before=utcnow() + CANCEL_UNTIL)
    sandbox.changed()
    return answer({"returnedCreditCount": float(credit), "smsCount": count})


async def _send(sandbox: Sandbox, order: Order, *, live: bool) -> messages.Accepted:
    if not live:
        return _pretend(order)
    async with sandbox.transaction() as connection:
        accepted = await messages.accept(connection, order, now=utcnow())
    sandbox.changed()
    return accepted


def _pretend(order: Order) -> messages.Accepted:
    """Answer as if the order had been sent: what a key of kind Sandbox is for."""
    ids = [randrange(10_000_000, 80_000_000) if number else None for number in order.mobiles]  # noqa: S311
    return messages.Accepted(uuid4(), ids, sum(id_ is not None for id_ in ids))


def _pack(accepted: messages.Accepted) -> dict[str, Any]:
    return {"packId": str(accepted.pack_id), "messageIds": accepted.ids, "cost": float(accepted.cost)}


async def _body(request: Request) -> Mapping[str, Any]:
    """Return the body, or nothing where it is no JSON object: the panel then misses the first field it looks for."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


async def _lines(sandbox: Sandbox) -> list[int]:
    async with sandbox.transaction() as connection:
        return await lines.numbers(connection)


async def _template(sandbox: Sandbox, template_id: int | None, *, live: bool) -> str | None:
    if not live:
        return TEST_TEMPLATE if template_id == TEST_TEMPLATE_ID else None
    async with sandbox.transaction() as connection:
        text: str | None = await connection.fetchval("SELECT text FROM template WHERE id = $1", template_id)
        return text
