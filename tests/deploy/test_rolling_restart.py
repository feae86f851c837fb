"""Instances of an API are replaced one after the other behind the ingress, and no caller notices."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest

from services.leads.app import SERVICE as LEADS
from services.local.ports import unused
from services.local.programs import DRAIN_S
from shared.migrate import migrate
from tests.support.api import keys, token
from tests.support.eventually import eventually
from tests.support.ingress import ingress
from tests.support.postgres import TestServer
from tests.support.processes import Running, running
from tests.support.runtimes import SECRET, migrate_bus

CALLERS = 4
HEADERS = {"Authorization": f"Bearer {token()}"}
LEAD = {"first_name": "سارا", "last_name": "نمونه", "source": "website"}


@pytest.fixture
async def settings(server: TestServer) -> AsyncIterator[Mapping[str, str]]:
    """Lend the settings of a leads API on a fresh database."""
    async with (
        server.database("template_leads", lambda url: migrate(LEADS, url)) as url,
        server.database("template_bus", migrate_bus) as bus_url,
    ):
        yield {
            "LEADS_DATABASE_URL": url,
            "PEYVAND_BUS_DATABASE_URL": bus_url,
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_TRUSTED_PROXIES": "127.0.0.1",
            "PEYVAND_DRAIN_S": str(DRAIN_S),
            "PEYVAND_LOG_LEVEL": "warning",
        }


@asynccontextmanager
async def api(settings: Mapping[str, str], port: int) -> AsyncIterator[Running]:
    """Run an instance for the length of the block; it answers when the block begins."""
    async with running(["services.leads", "api"], {**settings, "LEADS_PORT": str(port)}) as process:
        await eventually(lambda: status(port, "healthz"), within=60, every=0.1)
        yield process


async def status(port: int, path: str) -> int:
    """Return what an instance answers, 0 where nobody does."""
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/{path}")).status_code
        except httpx.TransportError:
            return 0


class Load:
    """Callers that post and read leads without a pause, and keep what they were answered."""

    def __init__(self, url: str) -> None:
        self.url, self.answers, self.going = url, Counter[str](), True

    async def call(self, caller: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, headers=HEADERS, timeout=30) as client:
            number = 0
            while self.going:
                number += 1
                phone = f"+98999000{caller * 2_000 + number:04d}"
                posted = await client.post("/v1/leads", json={**LEAD, "phone": phone})
                read = await client.get("/v1/leads", params={"limit": 1})
                self.answers.update([f"POST {posted.status_code}", f"GET {read.status_code}"])


async def test_a_rolling_restart_under_load_fails_no_request(settings: Mapping[str, str]) -> None:
    ports = [unused(), unused()]
    async with (
        api(settings, ports[0]) as first,
        api(settings, ports[1]) as second,
        ingress({"leads": ports}) as url,
        asyncio.TaskGroup() as callers,
    ):
        load = Load(url)
        for caller in range(CALLERS):
            callers.create_task(load.call(caller))
        await eventually(lambda: load.answers["POST 201"] > 20, within=30)
        first.send(signal.SIGTERM)
        await eventually(lambda: is_red(ports[0]), within=DRAIN_S)
        assert await first.ended(within=DRAIN_S + 15) == 0
        async with api(settings, ports[0]):
            second.send(signal.SIGTERM)
            assert await second.ended(within=DRAIN_S + 15) == 0
            seen = load.answers["POST 201"]
            await eventually(lambda: load.answers["POST 201"] > seen + 20, within=30)
            load.going = False

    assert set(load.answers) == {"POST 201", "GET 200"}, load.answers


async def is_red(port: int) -> bool:
    """Say whether an instance that still answers says that it is not ready."""
    return await status(port, "readyz") == 503 and await status(port, "healthz") == 200
