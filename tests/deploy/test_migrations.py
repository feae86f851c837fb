"""A migration is applied while the code before it runs: it only adds, and keeps nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.embedded import SERVICES
from services.leads.app import SERVICE as LEADS
from services.local.ports import HOST, unused
from shared import migrate as migrations
from shared.migrate import MACHINERY, migrate
from shared.service import Service
from tests.deploy.load import REQUESTS, Load
from tests.support.api import keys
from tests.support.eventually import eventually
from tests.support.postgres import TestServer
from tests.support.processes import running
from tests.support.revisions import Revision, code_before, faults, revisions, statements
from tests.support.runtimes import SECRET, migrate_bus

CALLERS = 4
NEWEST = "heads"
services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


async def leave_empty(_url: str) -> None:
    """Make nothing: the migrations do."""


@services
async def test_a_migration_only_adds_and_keeps_nobody_out(service: Service, server: TestServer) -> None:
    async with server.database("template_empty", leave_empty) as url:
        said = await statements(service, url)

    first = {revision.id for revision in revisions(service) if revision.first}
    assert all(said[revision] for revision in first)
    assert {revision: faults(each) for revision, each in said.items() if revision not in first and faults(each)} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE leads DROP COLUMN score",
        "DROP TABLE captures",
        "ALTER TABLE leads RENAME COLUMN score TO points",
        "ALTER TABLE leads ALTER COLUMN score TYPE bigint",
        "ALTER TABLE leads ALTER COLUMN score SET NOT NULL",
        "ALTER TABLE leads ADD COLUMN score integer NOT NULL",
        "ALTER TABLE leads ADD COLUMN a integer DEFAULT 0, ADD COLUMN b integer NOT NULL",
        "ALTER TABLE leads ADD CONSTRAINT ck_leads_score CHECK (score > 0)",
        "ALTER TABLE leads ADD CONSTRAINT uq_leads_score UNIQUE (score)",
        "CREATE INDEX ix_leads_score ON leads (score)",
        "LOCK TABLE leads",
    ],
)
def test_what_breaks_the_code_before_is_found(statement: str) -> None:
    assert faults([statement])


@pytest.mark.parametrize(
    "said",
    [
        ["ALTER TABLE leads ADD COLUMN score integer"],
        ["ALTER TABLE leads ADD COLUMN score integer NOT NULL DEFAULT 0"],
        ["ALTER TABLE leads ADD COLUMN a integer NOT NULL DEFAULT 0, ADD COLUMN b text"],
        ["ALTER TABLE leads ADD CONSTRAINT ck_leads_score CHECK (score > 0) NOT VALID"],
        ["CREATE INDEX CONCURRENTLY ix_leads_score ON leads (score)"],
        ["CREATE TABLE scores (id uuid NOT NULL)", "CREATE INDEX ix_scores_id ON scores (id)"],
    ],
)
def test_what_only_adds_is_let_through(said: list[str]) -> None:
    assert faults(said) == []


@services
async def test_a_migration_that_had_to_wait_for_others_is_gone_on_with(
    service: Service, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index waits for whoever reads since before; where they read on, it is given up and built later."""
    monkeypatch.setattr(migrations, "LOCK_WAIT_S", 0.2)
    async with server.database("template_empty", leave_empty) as url:
        await migrate(service, url, f"{service.name}_0001")
        reader = await asyncpg.connect(url)
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await reader.fetch("SELECT FROM alembic_version")
        migration = asyncio.create_task(migrate(service, url))
        async with asyncio.timeout(60):
            await asyncio.wait([migration], timeout=1)
            await reader.execute("ROLLBACK")
            await migration
        unfinished = await reader.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
        await reader.close()

    assert unfinished == 0


def branches() -> Iterator[tuple[Service, list[Revision]]]:
    """Yield each branch's migrations but for the first, with a service that has them."""
    machinery = [each for each in revisions(LEADS) if each.file.is_relative_to(MACHINERY)]
    yield LEADS, machinery[1:]
    for service in SERVICES:
        yield service, [each for each in revisions(service) if each.file.is_relative_to(service.migrations)][1:]


def newest_and_earlier() -> Iterator[Any]:
    """Yield every migration with its service; the newest of a branch is applied with all else that there is."""
    for service, later in branches():
        for revision in later[:-1]:
            yield pytest.param(service, revision, revision.id, id=revision.id, marks=pytest.mark.faults_long)
        for revision in later[-1:]:
            yield pytest.param(service, revision, NEWEST, id=revision.id)


@pytest.mark.parametrize(("service", "revision", "to"), list(newest_and_earlier()))
async def test_the_code_before_works_on_while_a_migration_is_applied_and_after(
    service: Service, revision: Revision, to: str, server: TestServer, tmp_path: Path
) -> None:
    if not code_before(revision, service, tmp_path):
        pytest.skip("The history that holds the code before is not here.")
    async with (
        server.database("template_empty", leave_empty) as url,
        server.database("template_bus", migrate_bus) as bus_url,
    ):
        settings = {
            f"{service.name.upper()}_DATABASE_URL": url,
            "PEYVAND_BUS_DATABASE_URL": bus_url,
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_LOG_LEVEL": "warning",
        }
        async with AsyncExitStack() as stack:
            ports = await start_before(stack, service, settings, tmp_path)
            load = await works_on(service, url, ports, to)

    assert load.failures == {}
    assert len(load.answers) >= len(REQUESTS[service.name])


async def start_before(
    stack: AsyncExitStack, service: Service, settings: Mapping[str, str], code: Path
) -> dict[str, int]:
    """Start the API and the worker of the code in a folder on a database that it has migrated; return their ports."""
    module, ports = f"services.{service.name}", {"api": unused(), "worker": unused()}
    async with running([module, "migrate"], settings, folder=code) as migration:
        assert await migration.ended(within=60) == 0, migration.lines
    for role, port in ports.items():
        own = {**settings, f"{service.name.upper()}_PORT": str(port)}
        await stack.enter_async_context(running([module, role], own, folder=code))
    return ports


async def works_on(service: Service, url: str, ports: Mapping[str, int], to: str) -> Load:
    """Apply what is new under load, up to a migration; return the load, once the worker has sent all and is ready."""
    api, worker = [f"http://{HOST}:{port}" for port in ports.values()]
    load = Load(service.name, api)
    async with httpx.AsyncClient(base_url=worker) as asked, httpx.AsyncClient(base_url=api) as answering:
        for client in (answering, asked):
            await eventually(partial(is_ready, client), within=60, every=0.1)
        async with asyncio.TaskGroup() as callers:
            callers.create_task(load.call(CALLERS))
            await go_on(load)
            await migrate(service, url, to)
            await go_on(load)
            load.going = False
        await eventually(lambda: is_idle(asked), within=30, every=0.1)
    return load


async def go_on(load: Load) -> None:
    """Wait until each of a service's requests has been answered some times more."""
    seen, wanted = load.answers.total(), 3 * CALLERS * len(REQUESTS[load.service])
    await eventually(lambda: load.answers.total() > seen + wanted, within=30)


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def is_idle(worker: httpx.AsyncClient) -> bool:
    """Say whether a worker is ready and has sent every event."""
    figures = (await worker.get("/metrics")).text
    return await is_ready(worker) and "peyvand_relay_waiting_events 0.0" in figures
