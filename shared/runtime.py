"""Opening a service: its database, its bus and its resources, closed again in the reverse order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from shared.bus import open_bus
from shared.db import Database
from shared.service import Runtime, Service
from shared.settings import ServiceSettings


@asynccontextmanager
async def open_runtime(service: Service, settings: ServiceSettings) -> AsyncIterator[Runtime]:
    """Lend a service that is ready to answer and to work, on the database and the bus that `settings` name."""
    async with AsyncExitStack() as stack:
        db = Database(settings.database_url, pool_size=settings.pool_size, name=service.name)
        stack.push_async_callback(db.close)
        bus = open_bus(settings)
        stack.push_async_callback(bus.close)
        runtime = Runtime(service, settings, db, bus)
        if service.resources is not None:
            runtime.resources = await stack.enter_async_context(service.resources(runtime))
        yield runtime
