"""The lease's row while a process that holds it is stopped."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from shared.db import driver
from shared.ids import new_id
from shared.outbox import lease
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import echo

AT_WORK = "SELECT state = 'active' AND wait_event = 'ClientRead' FROM pg_stat_activity WHERE pid = $1"


async def test_a_process_that_is_stopped_between_preparing_a_statement_and_asking_it_keeps_no_lease(
    make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes that for a statement at work: neither idle, nor timed out."""
    runtime, owner, other = await make_runtime(echo()), new_id(), new_id()
    monkeypatch.setattr(lease, "MOST_LEASES", 0.3)
    async with runtime.db.transaction() as tx:
        await lease.hold(driver(tx), runtime.service.name, owner, 0.0)
    stopped = await asyncpg.connect(runtime.settings.database_url)
    try:
        await stopped.execute("BEGIN")
        await lease.hold(stopped, runtime.service.name, owner, 2.0)
        await stopped.prepare("SELECT 1")
        async with asyncio.timeout(5), runtime.db.transaction() as tx:
            assert await driver(tx).fetchval(AT_WORK, stopped.get_server_pid())
            assert (await lease.hold(driver(tx), runtime.service.name, other, 20.0)).taken_over
    finally:
        stopped.terminate()
