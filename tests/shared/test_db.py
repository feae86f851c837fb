from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from shared.db import Database, driver
from shared.service import Runtime
from shared.web.handlers import DatabaseAway, of_database
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


async def test_what_is_committed_after_another_was_cut_off_at_its_beginning_is_kept(
    make_runtime: Callable[..., Awaitable[Runtime]],
) -> None:
    """A connection that goes back to the pool in somebody's transaction would swallow every later commit on it."""
    runtime = await make_runtime(SERVICE)
    db = Database(runtime.settings.database_url, pool_size=1)

    async def write(number: int) -> None:
        async with db.transaction() as tx:
            await driver(tx).execute("INSERT INTO kept VALUES ($1)", number)

    async with db.connection() as connection:
        await connection.execute("CREATE TABLE kept (number integer)")
        raw, backend = connection, connection.get_server_pid()
    os.kill(backend, signal.SIGSTOP)
    cut_off = asyncio.create_task(write(1))
    await asyncio.wait([cut_off], timeout=0.1)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    os.kill(backend, signal.SIGCONT)
    await eventually(lambda: raw.is_closed() or raw.is_in_transaction())
    await write(2)

    other = await asyncpg.connect(runtime.settings.database_url)
    assert await other.fetchval("SELECT array_agg(number) FROM kept") == [2]
    await other.close()
    await db.close()


@pytest.mark.parametrize("way", ["/no/such/folder", "no-such-host.invalid"])
async def test_a_server_to_which_there_is_no_way_is_away_and_no_fault_of_ours(way: str) -> None:
    database = Database(f"postgresql:///peyvand?host={way}")
    with pytest.raises(ConnectionError, match="cannot be reached") as barred:
        async with database.transaction():
            pass
    await database.close()

    assert isinstance(of_database(barred.value), DatabaseAway)
