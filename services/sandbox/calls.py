"""Webhook calls: made outside any transaction, tried again while the other side does not answer 2xx."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson

from services.sandbox import lines
from services.sandbox.sandbox import Sandbox
from shared.clock import utcnow

RETRY_AFTER_S = (1, 5, 15, 60, 300, 900)
"""Waits between tries; after the last the call is given up."""

LEASE = timedelta(seconds=30)
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Call:
    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int
    hook: lines.Hook | None


async def make_due(sandbox: Sandbox, client: httpx.AsyncClient) -> int:
    """Make the calls that are due; returns how many."""
    async with sandbox.transaction() as connection:
        calls = await _lease(connection, now=utcnow())
    outcomes = await asyncio.gather(*(_attempt(client, call) for call in calls))
    if calls:
        async with sandbox.transaction() as connection:
            for call, error in zip(calls, outcomes, strict=True):
                await _record(connection, call, error, now=utcnow())
    return len(calls)


async def _lease(connection: asyncpg.Connection, *, now: datetime) -> list[Call]:
    """Take due calls; a process that dies with them has them tried again when the lease is over."""
    rows = await connection.fetch(
        """
        UPDATE call SET due_at = $2
        WHERE id IN (SELECT id FROM call WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING id, line, kind, payload::text, attempts + 1 AS attempts
        """,
        now, now + LEASE, AT_ONCE,
    )  # fmt: skip
    return [
        Call(
            row["id"], row["kind"], orjson.loads(row["payload"]), row["attempts"],
            await lines.hook_of(connection, row["line"], row["kind"]),
        )
        for row in sorted(rows, key=lambda row: row["id"])
    ]  # fmt: skip


async def _attempt(client: httpx.AsyncClient, call: Call) -> str | None:
    """Make one call; returns what went wrong."""
    if call.hook is None:
        return "The line has no such hook any more."
    try:
        answer = await client.request(**call.hook.request(call.payload))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"
    return None if answer.is_success else f"HTTP {answer.status_code}"


async def _record(connection: asyncpg.Connection, call: Call, error: str | None, *, now: datetime) -> None:
    if error is None:
        await connection.execute(
            "UPDATE call SET due_at = NULL, done_at = $2, error = NULL, attempts = $3 WHERE id = $1",
            call.id,
            now,
            call.attempts,
        )
        return
    given_up = call.hook is None or call.attempts > len(RETRY_AFTER_S)
    due_at = None if given_up else now + timedelta(seconds=RETRY_AFTER_S[call.attempts - 1])
    await connection.execute(
        "UPDATE call SET due_at = $2, error = $3, attempts = $4 WHERE id = $1", call.id, due_at, error, call.attempts
    )
