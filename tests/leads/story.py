"""What tests of leads do again and again, through the API as its users do."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import httpx

from shared.service import Runtime

_numbers = itertools.count(1)


def number() -> str:
    """Return a mobile number that no other call returned, from the block that is not assigned."""
    return f"0999000{next(_numbers):04}"


async def captured(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Capture a lead, of a stranger unless told otherwise, and return it."""
    body = {"source": "website"} | fields
    if not body.keys() & {"phone", "email"}:
        body["phone"] = number()
    reply = await client.post("/v1/leads", json=body)
    assert reply.status_code in {200, 201}, reply.text
    lead: dict[str, Any] = reply.json()
    return lead


async def agent(client: httpx.AsyncClient, **fields: Any) -> str:
    """Add an agent and return the id."""
    body = {"first_name": "نازنین", "last_name": "آزمایشی", "phone": number()} | fields
    reply = await client.post("/v1/agents", json=body)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


async def read(client: httpx.AsyncClient, lead: dict[str, Any]) -> dict[str, Any]:
    """Return a lead as it is now."""
    reply = await client.get(f"/v1/leads/{lead['id']}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def touched(client: httpx.AsyncClient, lead: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Record a touch of a lead, an outbound call unless told otherwise."""
    reply = await client.post(f"/v1/leads/{lead['id']}/touches", json={"channel": "call"} | fields)
    assert reply.status_code == 201, reply.text
    touch: dict[str, Any] = reply.json()
    return touch


async def done(client: httpx.AsyncClient, lead: dict[str, Any], what: str, **body: Any) -> dict[str, Any]:
    """Qualify, convert, disqualify or reopen a lead."""
    reply = await client.post(f"/v1/leads/{lead['id']}/{what}", json=body or None)
    assert reply.status_code == 200, reply.text
    changed: dict[str, Any] = reply.json()
    return changed


async def count(runtime: Runtime, table: str) -> int:
    """Return how many rows a table has."""
    async with runtime.db.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


def person_of(lead: dict[str, Any]) -> UUID:
    return UUID(lead["person_id"])
