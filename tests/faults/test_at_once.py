"""A hundred equal requests at once, over HTTP to a whole deployment: one effect, and an honest answer to each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.deployments import Deployment, embedded
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)

AT_ONCE = 100
FORM = {"first_name": "سارا", "last_name": "نمونه", "source": "website", "product": "faults"}


class Crowd:
    """A hundred callers of one deployment, each over a connection of their own."""

    def __init__(self, http: httpx.AsyncClient, deployment: Deployment) -> None:
        self.http, self.deployment = http, deployment

    async def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> list[Any]:
        """Send one request a hundred times at once."""
        headers = {"Idempotency-Key": key} if key else {}
        posts = (self.http.post(path, json=body, headers=headers) for _ in range(AT_ONCE))
        return list(await asyncio.gather(*posts))

    async def rows(self, service: str, query: str) -> int:
        connection = await asyncpg.connect(self.deployment.databases[service])
        try:
            count: int = await connection.fetchval(query)
        finally:
            await connection.close()
        return count

    async def lead(self, phone: str) -> dict[str, Any]:
        made: dict[str, Any] = (
            (await self.http.post("/v1/leads", json=FORM | {"phone": phone})).raise_for_status().json()
        )
        return made


@pytest.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[Crowd]:
    async with embedded(tmp_path) as deployment:
        limits = httpx.Limits(max_connections=AT_ONCE)
        client = httpx.AsyncClient(base_url=deployment.url, headers=deployment.headers, timeout=60, limits=limits)
        async with client as http:
            yield Crowd(http, deployment)


async def test_a_hundred_at_once_have_one_effect(crowd: Crowd) -> None:
    await _equal_keys_capture_once(crowd)
    await _captures_of_one_person_make_one_lead(crowd)
    await _conversions_convert_once(crowd)
    await _redemptions_redeem_once(crowd)


async def _equal_keys_capture_once(crowd: Crowd) -> None:
    """The first has the effect; the others get its answer again, or hear that it is in flight."""
    answers = await crowd.post("/v1/leads", FORM | {"phone": "09990001001"}, key="the-same-for-all")

    granted = [answer for answer in answers if answer.is_success]
    refused = [answer for answer in answers if not answer.is_success]
    assert len({answer.json()["id"] for answer in granted}) == 1
    assert {answer.status_code for answer in granted} == {201}
    assert sum("idempotent-replayed" not in answer.headers for answer in granted) == 1
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(409, "idempotency_key_in_flight")}
    assert all("retry-after" in answer.headers for answer in refused)
    assert await crowd.rows("leads", "SELECT count(*) FROM leads") == 1
    assert await crowd.rows("leads", "SELECT count(*) FROM touches") == 1


async def _captures_of_one_person_make_one_lead(crowd: Crowd) -> None:
    """One captures the person; to the others it is their open lead, touched once more."""
    answers = await crowd.post("/v1/leads", FORM | {"phone": "09990001002"})

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: AT_ONCE - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await crowd.rows("leads", "SELECT count(*) FROM leads") == 2
    assert await crowd.rows("leads", "SELECT recaptures FROM leads ORDER BY captured_at DESC LIMIT 1") == AT_ONCE - 1


async def _conversions_convert_once(crowd: Crowd) -> None:
    lead = await crowd.lead("09990001003")

    answers = await crowd.post(f"/v1/leads/{lead['id']}/convert")

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: AT_ONCE - 1}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"lead_already_converted"}
    welcomes = "SELECT count(*) FROM messages WHERE automation = 'welcome'"
    await eventually(lambda: crowd.rows("messaging", welcomes), within=15)
    assert await crowd.rows("messaging", welcomes) == 1
    assert await crowd.rows("customers", "SELECT count(*) FROM customers") == 1


async def _redemptions_redeem_once(crowd: Crowd) -> None:
    """One purchase has the coupon; the others are refused whole, and nothing of them is recorded."""
    body: dict[str, Any] = {"phone": "09990001004", "amount_minor": 1_000_000, "source": "shop", "external_id": "1"}
    bought = (await crowd.http.post("/v1/purchases", json=body)).raise_for_status().json()
    given = {"person_id": bought["person_id"], "discount_percent": 10}
    coupon = (await crowd.http.post("/v1/coupons", json=given)).raise_for_status().json()

    answers = await crowd.post(
        "/v1/purchases", {"person_id": bought["person_id"], "amount_minor": 500_000, "coupon_code": coupon["code"]}
    )

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: AT_ONCE - 1}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"coupon_already_used"}
    [redeemed] = [answer.json() for answer in answers if answer.is_success]
    assert (redeemed["discount_minor"], redeemed["value_minor"]) == (50_000, 450_000)
    assert await crowd.rows("customers", "SELECT count(*) FROM purchases") == 2
