"""A service whose database fails: writes go on or are turned away with 503, and it recovers by itself."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from services.leads.app import SERVICE
from shared.migrate import migrate
from tests.faults.caller import Caller
from tests.faults.keeping import Kept, as_kept, kept
from tests.faults.ledger import Ledger
from tests.faults.outages import RECOVERY_S
from tests.faults.servers import OwnServer, SmallDisk
from tests.support.api import keys, token
from tests.support.deployments import free_port
from tests.support.eventually import eventually
from tests.support.postgres import TestServer
from tests.support.runtimes import SECRET, bus_database

pytestmark = pytest.mark.timeout(240)

PATIENCE_S = 60.0
"""For whatever has to happen, on a machine that has much else to do; the long trials hold recovery to its 15 s."""

DEADLINE_S = 3
"""More than the two seconds in which readiness has its answer."""

WRITERS = 6
PAUSE_S = 0.03
"""Between two requests of a writer: there are nine thousand numbers to write for."""


@dataclass(slots=True)
class Writers:
    """Callers that capture one lead after another, and what was acknowledged to them."""

    http: httpx.AsyncClient
    numbers: Iterator[int]
    ledger: Ledger = field(default_factory=Ledger)
    leads: dict[str, float] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write())

    async def _write(self) -> None:
        while not self.stopping.is_set():
            number = next(self.numbers)
            caller = Caller(self.http, self.ledger, random.Random(number))
            body = {"first_name": "سارا", "phone": f"0999000{number:04d}", "source": "website"}
            answer = await caller.post("/v1/leads", body)
            assert answer.status_code == 201, answer.text
            self.leads[answer.json()["id"]] = time.monotonic()
            await asyncio.sleep(PAUSE_S)

    def wrote_since(self, moment: float) -> bool:
        return any(at > moment for at in self.leads.values())


@dataclass(slots=True)
class Victim:
    """The leads service in one process, on a server of its own."""

    server: OwnServer
    url: str
    process: Kept
    http: httpx.AsyncClient
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1_000))
    acknowledged: set[str] = field(default_factory=set)

    async def survives(
        self, cause: Callable[[], AbstractAsyncContextManager[None]], *, why: str | None, within: float = PATIENCE_S
    ) -> None:
        """Write before, during and after `cause`: nothing is lost or doubled, and all is well `within` seconds after.

        Meanwhile readiness says `why`, in these words or, where they are empty, in any; None where it has no time to.
        """
        writers = Writers(self.http, self.numbers)
        writing = asyncio.create_task(writers.run())
        await eventually(lambda: writers.wrote_since(0) or writing.done(), within=PATIENCE_S)
        async with cause():
            if why is not None:
                await eventually(lambda: self._says_of_the_database(why), within=PATIENCE_S)
                await eventually(lambda: writers.ledger.turned_away or writing.done(), within=PATIENCE_S)
        ended = time.monotonic()
        await eventually(lambda: writers.wrote_since(ended) or writing.done(), within=within)
        await eventually(self._is_ready, within=max(ended + within - time.monotonic(), 0))
        writers.stopping.set()
        await writing
        assert writers.ledger.complaints == []
        self.acknowledged |= writers.leads.keys()
        await self._holds_what_was_acknowledged()

    async def _says_of_the_database(self, why: str) -> bool:
        database = (await self.http.get("/readyz")).json().get("parts", {}).get("database", {"ok": True})
        return not database["ok"] and bool(database["why"]) and why in database["why"]

    async def _is_ready(self) -> bool:
        return (await self.http.get("/readyz")).is_success

    async def _holds_what_was_acknowledged(self) -> None:
        """Each lead once, and nothing else."""
        connection = await asyncpg.connect(self.url)
        try:
            rows = await connection.fetch("SELECT id FROM leads")
        finally:
            await connection.close()
        assert sorted(str(row["id"]) for row in rows) == sorted(self.acknowledged)
        assert self.process.died_by_itself == []


@pytest.fixture
async def victim(server: TestServer, tmp_path: Path) -> AsyncIterator[Victim]:
    own = OwnServer(tmp_path)
    await own.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(own.stop)
        url = await stack.enter_async_context(own.database("", lambda url: migrate(SERVICE, url)))
        port = free_port()
        environment = {
            "LEADS_DATABASE_URL": url,
            "LEADS_PORT": str(port),
            "PEYVAND_BUS_DATABASE_URL": await stack.enter_async_context(bus_database(server)),
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_REQUEST_DEADLINE_S": str(DEADLINE_S),
            "PEYVAND_LOG_LEVEL": "error",
            "PEYVAND_LOG_FORMAT": "text",
        }
        process = await stack.enter_async_context(kept(["services.leads", "all"], environment))
        headers = {"Authorization": f"Bearer {token()}"}
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)
        await stack.enter_async_context(http)
        opened = Victim(own, url, as_kept(process), http)
        await eventually(partial(_answers, opened), within=60, every=0.1)
        yield opened


async def _answers(victim: Victim) -> bool:
    try:
        return (await victim.http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def test_writes_outlive_lost_connections_a_restart_and_a_frozen_server(victim: Victim) -> None:
    @asynccontextmanager
    async def terminated() -> AsyncIterator[None]:
        await victim.server.terminate_backends()
        yield

    @asynccontextmanager
    async def stopped() -> AsyncIterator[None]:
        await victim.server.stop()
        yield
        await victim.server.start()

    @asynccontextmanager
    async def frozen() -> AsyncIterator[None]:
        with victim.server.frozen():
            yield

    await victim.survives(terminated, why=None)
    await victim.survives(stopped, why="")
    await victim.survives(frozen, why="")


@pytest.mark.parametrize("within", [PATIENCE_S, pytest.param(RECOVERY_S, marks=pytest.mark.faults_long)])
async def test_writes_are_turned_away_while_the_disk_is_full_and_go_on_when_it_is_not(
    victim: Victim, tmp_path: Path, within: float
) -> None:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(SmallDisk(tmp_path / "small"))
        except OSError as refused:
            pytest.skip(f"No file system may be mounted here: {refused}")
        await victim.server.move(urlsplit(victim.url).path[1:], disk)

        @asynccontextmanager
        async def full() -> AsyncIterator[None]:
            disk.fill()
            yield
            disk.empty()

        await victim.survives(full, why="the disk is full", within=within)
