"""Runtimes of services on databases of their own, for the length of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from shared.bus.local import LocalBus

from shared.db import Database
from shared.migrate import migrate
from shared.service import Runtime, Service
from shared.settings import load
from tests.support.api import keys
from tests.support.postgres import TestServer

SECRET = "a secret of the tests, forty characters…"


@asynccontextmanager
async def open_runtime(
    server: TestServer, service: Service, *, bus_url: str | None = None, **settings: Any
) -> AsyncIterator[Runtime]:
    """Lend `service` on a fresh database, with a local bus on one of its own or on `bus_url`."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            server.database(f"template_{service.name}", lambda url: migrate(service, url))
        )
        bus_url = bus_url or await stack.enter_async_context(server.database("template_bus", migrate_bus))
        loaded = load(
            service.settings,
            **{
                "database_url": url,
                "bus_database_url": bus_url,
                "jwt_public_key": keys().public_pem,
                "secret_key": SECRET,
                "mode": "embedded",
            }
            | settings,
        )
        db = Database(url, pool_size=loaded.pool_size, name=service.name)
        stack.push_async_callback(db.close)
        bus = LocalBus(bus_url)
        stack.push_async_callback(bus.close)
        runtime = Runtime(service, loaded, db, bus)
        if service.resources is not None:
            runtime.resources = await stack.enter_async_context(service.resources(runtime))
        yield runtime


async def migrate_bus(url: str) -> None:
    bus = LocalBus(url)
    await bus.migrate()
    await bus.close()
