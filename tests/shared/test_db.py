from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from shared.service import Runtime
from tests.shared.web.notes import SERVICE
from tests.support.eventually import eventually


async def test_connections_that_the_server_closed_are_replaced(
    make_runtime: Callable[..., Awaitable[Runtime]],
) -> None:
    runtime = await make_runtime(SERVICE)
    lent: list[asyncpg.Connection] = []

    async def borrow() -> None:
        async with runtime.db.connection() as connection:
            lent.append(connection)
            await connection.fetchval("SELECT pg_sleep(0.01)")

    await asyncio.gather(*(borrow() for _ in range(10)))
    admin = await asyncpg.connect(runtime.settings.database_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await admin.close()
    await eventually(lambda: all(connection.is_closed() for connection in lent))

    await asyncio.gather(*(borrow() for _ in range(30)))
