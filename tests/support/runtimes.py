"""Runtimes of services on databases of their own, for the length of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from shared.bus.local import LocalBus
from shared.migrate import migrate
from shared.runtime import open_runtime
from shared.service import Runtime, Service
from shared.settings import load
from tests.support.api import keys
from tests.support.postgres import TestServer

SECRET = "a secret of the tests, forty characters…"


@asynccontextmanager
async def open_test_runtime(
    server: TestServer, service: Service, *, bus_url: str | None = None, **settings: Any
) -> AsyncIterator[Runtime]:
    """Lend `service` on a fresh database, with a local bus on one of its own or on `bus_url`."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            server.database(f"template_{service.name}", lambda url: migrate(service, url))
        )
        bus_url = bus_url or await stack.enter_async_context(bus_database(server))
        given = {
            "database_url": url,
            "bus_database_url": bus_url,
            "jwt_public_key": keys().public_pem,
            "secret_key": SECRET,
            "mode": "embedded",
            "requests_per_s": 0,
            "public_requests_per_s": 0,
        }
        loaded = load(service.settings, **given | settings)
        yield await stack.enter_async_context(open_runtime(service, loaded))


@asynccontextmanager
async def bus_database(server: TestServer) -> AsyncIterator[str]:
    """Lend a fresh database for a local bus."""
    async with server.database("template_bus", migrate_bus) as url:
        yield url


async def migrate_bus(url: str) -> None:
    """Make the tables of a local bus."""
    bus = LocalBus(url)
    await bus.migrate()
    await bus.close()
