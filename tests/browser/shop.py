"""A shop with a year behind it, so that charts have something to draw: made up, by the API, always the same."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import httpx

from shared.clock import utcnow
from tests.support.eventually import eventually

CUSTOMERS = 60
DAYS = 360
MAIL = "mahsa@example.com"
NEWS = {
    "code": "spring_news",
    "channel": "email",
    "purpose": "service",
    "title": "Spring news",
    "title_fa": "خبر بهار",
    "bodies": {
        "fa": {
            "subject": "{{ first_name }} عزیز، چای بهاره رسید",
            "text": "{{ first_name }} عزیز، چای بهاره رسید. برای دیدنش به فروشگاه بیایید.",
            "html": "<h2>چای بهاره رسید</h2><p>{{ first_name }} عزیز، برای دیدنش به فروشگاه بیایید.</p>",
        }
    },
}


async def open_shop(client: httpx.AsyncClient) -> None:
    """Have customers buy for a year, and somebody who left an email address answered by mail."""
    people = [{"source": "shop", "external_id": f"C-{number}", "first_name": "سارا"} for number in range(CUSTOMERS)]
    await _taken(client, "/v1/customers/bulk", people)
    await _taken(client, "/v1/purchases/bulk", _purchases())
    await _write_a_mail(client)
    await eventually(lambda: _is_seen(client), within=30, every=0.2)


async def _write_a_mail(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/leads", json={"first_name": "مهسا", "email": MAIL, "source": "website"})
    news = {"template": NEWS["code"], "person_id": reply.raise_for_status().json()["person_id"]}
    (await client.post("/v1/templates", json=NEWS)).raise_for_status()
    (await client.post("/v1/messages", json=news)).raise_for_status()


def _purchases() -> list[dict[str, Any]]:
    chance, now = random.Random(1405), utcnow()
    items: list[dict[str, Any]] = []
    for number in range(CUSTOMERS):
        day = chance.randrange(DAYS)
        while day >= 0:
            items.append({
                "source": "shop", "external_id": f"P-{len(items)}", "customer_external_id": f"C-{number}",
                "occurred_at": (now - timedelta(days=day, hours=1)).isoformat(),
                "amount_minor": chance.randrange(5, 60) * 100_000,
                "lines": [],
            })  # fmt: skip
            day -= chance.randrange(20, 90)
    return items


async def _taken(client: httpx.AsyncClient, path: str, items: list[dict[str, Any]]) -> None:
    reply = await client.post(path, json={"items": items})
    assert reply.status_code == 200, reply.text
    assert reply.json()["errors"] == 0, reply.text


async def _is_seen(client: httpx.AsyncClient) -> bool:
    mails = (await client.get("/sandbox/mails", params={"to": MAIL})).json()["items"]
    bought = (await client.get("/v1/metrics/purchases")).json()["points"][0]["value"]
    return bool(mails) and bought >= CUSTOMERS
