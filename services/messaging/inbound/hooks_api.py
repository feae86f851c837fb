"""The webhooks that panels call: GET or POST, query, form or JSON, answered `OK`.

No panel of the market signs what it sends, so the path holds a secret; a wrong one gets the answer of a path that
does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.inbound.errors import WebhookNotFound
from services.messaging.inbound.receiving import receive
from services.messaging.inbound.webhooks import (
    MOST,
    WebhookFieldTooLong,
    WebhookNotUnderstood,
    WebhookUnreadable,
    read_delivery,
    read_inbound,
)
from services.messaging.messages.delivery import store_reports
from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.secrets import webhook_matches
from services.messaging.settings import Settings
from shared.clock import utcnow
from shared.web import RuntimeDep, Tx, problems, public, router_for

router = router_for("messaging", prefix="/webhooks", tags=["webhooks"])

Kind = Literal["delivery", "inbound"]
NO_HASH = bytes(32)

RESPONSES: dict[int | str, dict[str, Any]] = {
    **problems(WebhookNotFound, WebhookNotUnderstood, WebhookUnreadable, WebhookFieldTooLong),
    200: {"content": {"text/plain": {"example": "OK"}}},
}


@router.get(
    "/{account_id}/{secret}/{kind}",
    summary="Take a webhook by its query",
    response_class=PlainTextResponse,
    responses=RESPONSES,
    dependencies=[public(by_machines=True)],
)
async def take_webhook_query(
    account_id: UUID, secret: str, kind: Kind, request: Request, tx: Tx, runtime: RuntimeDep
) -> PlainTextResponse:
    """Take a delivery report or an inbound message from the query."""
    account = await _admit(tx, account_id, secret)
    await _take(tx, account, kind, [dict(request.query_params)], runtime.settings)
    return PlainTextResponse("OK")


@router.post(
    "/{account_id}/{secret}/{kind}",
    summary="Take a webhook",
    response_class=PlainTextResponse,
    responses=RESPONSES,
    dependencies=[public(by_machines=True)],
    openapi_extra={
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {"messageId": 80000001, "deliveryState": 1},
                },
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object"},
                    "example": {"from": "09990001234", "to": "30007732000000", "text": "۲"},
                },
            }
        }
    },
)
async def take_webhook(
    account_id: UUID, secret: str, kind: Kind, request: Request, tx: Tx, runtime: RuntimeDep
) -> PlainTextResponse:
    """Take delivery reports or inbound messages from JSON (one or a list), a form, or the query."""
    account = await _admit(tx, account_id, secret)
    await _take(tx, account, kind, await _said(request), runtime.settings)
    return PlainTextResponse("OK")


async def _admit(tx: AsyncSession, account_id: UUID, secret: str) -> ProviderAccount:
    """Return the account, if the secret is its own; the comparison takes as long where there is no account."""
    account = await tx.get(ProviderAccount, account_id)
    genuine = webhook_matches(secret, account.webhook_hash if account is not None else NO_HASH)
    if account is None or not genuine:
        raise WebhookNotFound
    return account


async def _take(
    tx: AsyncSession, account: ProviderAccount, kind: Kind, said: list[Mapping[str, Any]], settings: Settings
) -> None:
    now, fields = utcnow(), account.config.get("fields", {})
    if kind == "delivery":
        await store_reports(tx, account.id, [read_delivery(each, fields) for each in said], now)
    else:
        await receive(tx, account.id, [read_inbound(each, fields, now) for each in said], settings, now)


async def _said(request: Request) -> list[Mapping[str, Any]]:
    query = dict(request.query_params)
    body = await request.body()
    if "json" in request.headers.get("content-type", "") or body[:1] in {b"{", b"["}:
        return [{**query, **each} for each in _items(body)]
    form = await request.form()
    return [{**query, **{name: value for name, value in form.items() if isinstance(value, str)}}]


def _items(body: bytes) -> list[dict[str, Any]]:
    """Read JSON as panels write it: with numbers of any length, and texts that end in half an emoji."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookUnreadable from error
    items = said if isinstance(said, list) else [said]
    if len(items) > MOST or not all(isinstance(each, dict) for each in items):
        raise WebhookUnreadable
    return items
