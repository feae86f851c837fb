"""Processes are replaced while they are asked, and neither callers nor events notice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import asyncpg
import httpx
import pytest

from services.embedded import SERVICES
from services.local.ports import unused
from services.local.programs import DRAIN_S
from shared.migrate import migrate
from shared.outbox.topics import make_topics
from tests.deploy.load import Load
from tests.support.api import keys
from tests.support.deployments import open_bus_of
from tests.support.eventually import eventually
from tests.support.ingress import ingress
from tests.support.postgres import TestServer
from tests.support.processes import Running, running
from tests.support.runtimes import SECRET, migrate_bus

PAUSE_S = 0.1
"""Between a caller's requests: what is looked for is a request that fails, and no figure."""


@pytest.fixture
async def settings(server: TestServer) -> AsyncIterator[Mapping[str, str]]:
    """Lend the settings of all services on fresh databases."""
    async with AsyncExitStack() as stack:
        urls = {
            f"{service.name.upper()}_DATABASE_URL": await stack.enter_async_context(
                server.database(f"template_{service.name}", partial(migrate, service))
            )
            for service in SERVICES
        }
        bus_url = await stack.enter_async_context(server.database("template_bus", migrate_bus))
        bus = open_bus_of(None, bus_url)
        await make_topics(bus, partitions=2)
        await bus.close()
        yield urls | {
            "PEYVAND_BUS_DATABASE_URL": bus_url,
            "PEYVAND_PARTITIONS": "2",
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_TRUSTED_PROXIES": "127.0.0.1",
            "PEYVAND_DRAIN_S": str(DRAIN_S),
            "PEYVAND_LOG_LEVEL": "warning",
        }


@asynccontextmanager
async def process(service: str, role: str, settings: Mapping[str, str], port: int) -> AsyncIterator[Running]:
    """Run a process of a service for the length of the block; it answers when the block begins."""
    async with running([f"services.{service}", role], {**settings, f"{service.upper()}_PORT": str(port)}) as started:
        await eventually(lambda: status(port, "healthz"), within=60, every=0.1)
        yield started


async def status(port: int, path: str) -> int:
    """Return what an instance answers, 0 where nobody does."""
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/{path}")).status_code
        except httpx.TransportError:
            return 0


async def test_the_api_of_every_service_is_replaced_under_load_and_no_request_fails(
    settings: Mapping[str, str],
) -> None:
    names = [service.name for service in SERVICES]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as callers:
        old = await started(stack, names, settings)
        new_ports = {name: unused() for name in names}
        url = await stack.enter_async_context(ingress({name: [old[name][0], new_ports[name]] for name in names}))
        loads = [Load(name, url, PAUSE_S) for name in names]
        for load in loads:
            callers.create_task(load.call())
        await go_on(loads)
        await started(stack, names, settings, new_ports)
        for name in names:
            old[name][1].send(signal.SIGTERM)
        await asyncio.gather(*(leaves_in_steps(*old[name]) for name in names))
        await go_on(loads)
        for load in loads:
            load.going = False

    assert {load.service: load.failures for load in loads} == {name: {} for name in names}


async def started(
    stack: AsyncExitStack, names: list[str], settings: Mapping[str, str], ports: Mapping[str, int] | None = None
) -> dict[str, tuple[int, Running]]:
    """Start an API of each service, all at once; return their ports, and the processes."""
    chosen = ports or {name: unused() for name in names}
    apis = [stack.enter_async_context(process(name, "api", settings, chosen[name])) for name in names]
    return {name: (chosen[name], api) for name, api in zip(names, await asyncio.gather(*apis), strict=True)}


async def leaves_in_steps(port: int, instance: Running) -> None:
    """Hold that an instance says that it is not ready while it still answers, and then ends well."""
    await eventually(lambda: is_red(port), within=DRAIN_S)
    assert await instance.ended(within=DRAIN_S + 15) == 0


async def is_red(port: int) -> bool:
    """Say whether an instance that still answers says that it is not ready."""
    return await status(port, "readyz") == 503 and await status(port, "healthz") == 200


async def go_on(loads: list[Load]) -> None:
    """Wait until every service has answered twenty requests more."""
    seen = [load.answers.total() for load in loads]
    await eventually(
        lambda: all(load.answers.total() > now + 20 for load, now in zip(loads, seen, strict=True)), within=30
    )


ACKNOWLEDGED = (
    "SELECT person_id, count(*) AS times FROM messages WHERE automation = 'acknowledge_lead' GROUP BY person_id"
)
"""Whom messaging wrote to because they became a lead, and how often."""


async def test_workers_are_replaced_under_load_and_nobody_is_forgotten_or_written_to_twice(
    settings: Mapping[str, str],
) -> None:
    names, port = ("messaging", "leads"), unused()  # consumers before producers
    load = Load("leads", f"http://127.0.0.1:{port}", PAUSE_S)
    messaging = await asyncpg.connect(settings["MESSAGING_DATABASE_URL"])

    async def written_to(at_least: int) -> bool:
        return len(await messaging.fetch(ACKNOWLEDGED)) >= at_least

    async with AsyncExitStack() as stack:
        workers = [process(name, "worker", settings, unused()) for name in names]
        starting = [stack.enter_async_context(each) for each in (*workers, process("leads", "api", settings, port))]
        old = dict(zip(names, await asyncio.gather(*starting), strict=False))
        async with asyncio.TaskGroup() as callers:
            callers.create_task(load.call(callers=2))
            for name in names:
                await eventually(partial(written_to, load.answers["201 POST /v1/leads"] + 1), within=30)
                await stack.enter_async_context(process(name, "worker", settings, unused()))
                old[name].send(signal.SIGTERM)
                assert await old[name].ended(within=20) == 0
            await go_on([load])
            load.going = False
        await eventually(partial(written_to, load.answers["201 POST /v1/leads"]), within=30)
    times = [row["times"] for row in await messaging.fetch(ACKNOWLEDGED)]
    aside = await messaging.fetchval("SELECT count(*) FROM parked")
    await messaging.close()

    assert load.failures == {}
    assert (times, aside) == ([1] * load.answers["201 POST /v1/leads"], 0)
