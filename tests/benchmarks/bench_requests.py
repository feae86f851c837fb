"""Requests: a lead captured with all that it does and an idempotency key, and a list of fifty leads.

Ours is the API process of the leads service as a deployment runs it, theirs bare FastAPI and asyncpg; both are
processes of their own beside one durable server, and this process puts load on them in turn over real connections.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count, islice, repeat
from pathlib import Path

import asyncpg
import httpx
import orjson

from services.leads.app import SERVICE
from shared.ids import new_id
from shared.migrate import migrate
from tests.benchmarks import bare
from tests.benchmarks.harness import Bench, Row, Subject, at_least, interleaved
from tests.benchmarks.load import put_load, request
from tests.support.api import client, keys, token
from tests.support.deployments import free_port
from tests.support.eventually import eventually
from tests.support.runtimes import SECRET, bus_database, open_test_runtime

CONNECTIONS = 16
ROUND_S = 3.0
AGENTS = 10
LISTED = 500
PROFILED = 500
TYPED = {"content-type": "application/json"}
NUMBERS = 10_000
"""Numbers of the range that nobody has; a round captures fewer leads of ours than that."""
MADE = 30_000
"""Requests that are made for a round: more than anybody answers in it."""

EMPTY = "TRUNCATE leads, persons, touches, outbox, idempotency_keys, bare_leads; UPDATE agents SET open_leads = 0"
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


@dataclass(slots=True)
class Servers:
    """Both APIs, their database, and a token for ours."""

    database: asyncpg.Connection
    ours: int
    theirs: int
    headers: dict[str, str]
    seconds: float

    async def capture(self) -> float:
        return await self._captured(self.ours, keyed(self.headers))

    async def insert(self) -> float:
        return await self._captured(self.theirs, (request("POST", "/leads", {}, lead(number)) for number in count()))

    async def list_ours(self) -> float:
        return await self._rate(self.ours, repeat(request("GET", "/v1/leads?limit=50", self.headers)))

    async def list_theirs(self) -> float:
        return await self._rate(self.theirs, repeat(request("GET", "/leads?limit=50", {})))

    async def _captured(self, port: int, requests: Iterator[bytes]) -> float:
        """Send requests that are made before the clock runs: who makes them shares the machine with who answers."""
        made = list(islice(requests, MADE))
        await self.database.execute(EMPTY)
        return await self._rate(port, iter(made))

    async def _rate(self, port: int, requests: Iterator[bytes]) -> float:
        """Return answers a second; every one of them has to be a good one."""
        load = await put_load(port, requests, connections=CONNECTIONS, seconds=self.seconds)
        assert not load.refused, load.refused[0]
        return load.rate


async def measure(bench: Bench) -> list[Row]:
    async with open_servers(bench) as servers:
        bench.say(f"{bench.rounds} rounds of {servers.seconds:g} s")
        posts: dict[str, Subject] = {"ours": servers.capture, "theirs": servers.insert}
        rates = await interleaved(bench.rounds, posts)
        row = Row(
            what="POST lead with all that it does, and an idempotency key",
            yardstick="bare FastAPI and asyncpg INSERT of the same row",
            goal=at_least(0.50),
            ours=rates["ours"],
            theirs=rates["theirs"],
            unit="requests/s",
        )
        captured = await bench.examine(row, lambda: in_process(bench))
        await servers.database.execute(EMPTY)
        await put_load(servers.ours, keyed(servers.headers), connections=1, seconds=LISTED / 100)
        lists: dict[str, Subject] = {"ours": servers.list_ours, "theirs": servers.list_theirs}
        rates = await interleaved(bench.rounds, lists)
        listed = Row(
            what="GET lead, list of 50",
            yardstick="the same query on bare FastAPI and asyncpg",
            goal=at_least(0.70),
            ours=rates["ours"],
            theirs=rates["theirs"],
            unit="requests/s",
        )
        return [captured, await bench.examine(listed, lambda: lists_in_process(bench))]


def lead(number: int) -> bytes:
    """Return the body of a capture, as a person types it into a form."""
    return orjson.dumps(
        {
            "first_name": "سارا",
            "last_name": "نمونه",
            "phone": f"0999000{number % NUMBERS:04}".translate(PERSIAN),
            "source": "website",
            "campaign": "yalda-1405",
            "product": "crm-basic",
            "awareness": "comparing",
            "expected_amount_minor": 25_000_000,
            "note": "لطفاً بعدازظهر تماس بگیرید.",
        }
    )


def keyed(headers: dict[str, str]) -> Iterator[bytes]:
    """Yield captures of a person each, every one with a key of its own."""
    for number in count():
        yield request("POST", "/v1/leads", headers | {"idempotency-key": str(new_id())}, lead(number))


@asynccontextmanager
async def open_servers(bench: Bench) -> AsyncIterator[Servers]:
    """Start both APIs on one database of the leads service; limits are set, but too high to be met."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            bench.server.database("template_leads", lambda url: migrate(SERVICE, url))
        )
        database = await asyncpg.connect(url)
        stack.push_async_callback(database.close)
        await database.execute(bare.TABLE)
        ours, theirs = free_port(), free_port()
        environment = {
            "LEADS_DATABASE_URL": url,
            "LEADS_PORT": str(ours),
            "PEYVAND_BUS_DATABASE_URL": await stack.enter_async_context(bus_database(bench.server)),
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_REQUESTS_PER_S": "1000000",
            "PEYVAND_REQUESTS_BURST": "1000000",
        }
        folder = bench.server.shared_folder()
        await stack.enter_async_context(server(folder / "ours.log", "services.leads", "api", **environment))
        await stack.enter_async_context(server(folder / "bare.log", "tests.benchmarks.bare", url, str(theirs)))
        headers = {"authorization": f"Bearer {token()}"}
        await _ready(f"http://127.0.0.1:{theirs}/leads", {})
        await _ready(f"http://127.0.0.1:{ours}/v1/leads", headers)
        await _add_agents(f"http://127.0.0.1:{ours}", headers)
        yield Servers(database, ours, theirs, headers, ROUND_S / 10 if bench.quick else ROUND_S)


async def _ready(url: str, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(headers=headers) as http:

        async def answers() -> bool:
            try:
                return (await http.get(url)).is_success
            except httpx.TransportError:
                return False

        await eventually(answers, within=30, every=0.1)


async def _add_agents(url: str, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=url, headers=headers) as http:
        for number in range(AGENTS):
            (await http.post("/v1/agents", json={"first_name": f"agent {number}"})).raise_for_status()


async def in_process(bench: Bench) -> None:
    """Capture leads one after the other in this process, so that a profile sees what a request does."""
    async with open_test_runtime(bench.server, SERVICE) as runtime, client(runtime) as http:
        for number in range(PROFILED):
            reply = await http.post("/v1/leads", content=lead(number), headers=TYPED | {"idempotency-key": str(number)})
            reply.raise_for_status()


async def lists_in_process(bench: Bench) -> None:
    """Ask for the list in this process, as often."""
    async with open_test_runtime(bench.server, SERVICE) as runtime, client(runtime) as http:
        for number in range(50):
            (await http.post("/v1/leads", content=lead(number), headers=TYPED)).raise_for_status()
        for _ in range(PROFILED):
            (await http.get("/v1/leads", params={"limit": "50"})).raise_for_status()


@asynccontextmanager
async def server(log: Path, *arguments: str, **environment: str) -> AsyncIterator[None]:
    """Run `python -m …` for the length of the block; its log goes to a file, since whoever reads it costs time too."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, env=os.environ | environment, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()
