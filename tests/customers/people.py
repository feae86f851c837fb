"""Made-up people, leads and requests that the tests of the service share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.cards import ContactCard
from shared.contracts.leads import LeadConverted
from shared.ids import new_id

PHONE = "+989990001234"
OTHER_PHONE = "+989990005678"
THEN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def card(person_id: UUID, *phones: str, **fields: Any) -> ContactCard:
    names = {"first_name": "سارا", "last_name": "نمونه"}
    return ContactCard(person_id=person_id, kind="lead", phones=phones or (PHONE,), **names | fields)


def converted(person_id: UUID, **fields: Any) -> LeadConverted:
    return LeadConverted(lead_id=new_id(), person_id=person_id, source="website", occurred_at=THEN, **fields)


async def opened(client: httpx.AsyncClient, *phones: str, **fields: Any) -> dict[str, Any]:
    """Open a customer and return them as the API gives them."""
    reply = await client.post("/v1/customers", json={"phones": phones or [PHONE], **fields})
    assert reply.status_code == 201, reply.text
    customer: dict[str, Any] = reply.json()
    return customer


async def bought(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Record a purchase and return it as the API gives it."""
    reply = await client.post("/v1/purchases", json={"amount_minor": 1_000_000, **fields})
    assert reply.status_code in (200, 201), reply.text
    purchase: dict[str, Any] = reply.json()
    return purchase
