"""Whole deployments for tests: everything in one process, or api and worker processes apart behind nginx."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from services.embedded import SERVICES
from services.postgres import DURABLE, EmbeddedPostgres
from shared.bus import EventBus, open_bus
from tests.support.api import keys, token
from tests.support.eventually import eventually
from tests.support.ingress import ingress
from tests.support.postgres import Migrate
from tests.support.processes import Running, running
from tests.support.runtimes import SECRET, migrate_bus

READY_S = 90.0
UP_LOCAL_READY_S = 150.0
UP_LOCAL_STOPS_S = 60.0

Run = Callable[[Sequence[str], Mapping[str, str]], AbstractAsyncContextManager[Running]]
"""How a process of a deployment is run: once, or started again whenever it ends."""


class Databases(Protocol):
    """A server that lends databases."""

    def database(self, template: str, migrate: Migrate) -> AbstractAsyncContextManager[str]: ...


@dataclass(slots=True)
class Deployment:
    """Where a deployment answers, the file of its token, the bus that it speaks over, and its databases by service.

    `apis` are the origins of the services themselves, where they are apart: an ingress shows nobody their readiness.
    """

    url: str
    token_file: Path
    bus: EventBus
    processes: dict[str, Running]
    databases: dict[str, str]
    apis: dict[str, str] = field(default_factory=dict)

    def readiness(self, service: str) -> str:
        """Return the address at which a service says whether it is ready."""
        return f"{self.apis[service]}/readyz" if service in self.apis else f"{self.url}/readyz/{service}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=60)


@asynccontextmanager
async def embedded(
    data: Path,
    kafka: str | None = None,
    *,
    port: int = 0,
    run: Run = running,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Deployment]:
    """Run `peyvand run`, by default on a free port; `settings` are added to its environment."""
    environment = {**(settings or {}), **({"PEYVAND_KAFKA_BOOTSTRAP_SERVERS": kafka} if kafka else {})}
    async with run(["services.cli", "run", "--port", str(port), "--data", str(data)], environment) as process:
        url = (await process.line("ready", within=READY_S)).split()[-1]
        server = EmbeddedPostgres(data / "postgres", DURABLE)
        databases = {name: server.url(name) for name in (*(service.name for service in SERVICES), "sandbox", "bus")}
        bus = open_bus_of(kafka, databases["bus"])
        try:
            yield Deployment(url, data / "token", bus, {"peyvand": process}, databases)
        finally:
            await bus.close()


@asynccontextmanager
async def up_local(data: Path, *arguments: str) -> AsyncIterator[Deployment]:
    """Run `peyvand up-local` on free ports: every process, the brokers and nginx under a supervisor."""
    options = ["--port", "0", "--first-port", "0", "--data", str(data), *arguments]
    async with AsyncExitStack() as stack:
        stack.callback(_pass_on_logs, data / "local" / "log")
        running_all = running(["services.cli", "up-local", *options], stop_s=UP_LOCAL_STOPS_S)
        process = await stack.enter_async_context(running_all)
        url = (await process.line("ready", within=UP_LOCAL_READY_S)).split()[-1]
        settings = environment_of(data)
        databases = {service.name: settings[f"{service.name.upper()}_DATABASE_URL"] for service in SERVICES}
        bus = open_bus_of(settings["PEYVAND_KAFKA_BOOTSTRAP_SERVERS"], "postgresql:///unused")
        stack.push_async_callback(bus.close)
        yield Deployment(url, data / "token", bus, {"peyvand": process}, databases)


def _pass_on_logs(folder: Path) -> None:
    """Say what the processes of a supervisor have said, to be read with the logs of the suite; Kafka's is its own."""
    for file in sorted(folder.glob("*.log")):
        if file.stem != "kafka":
            sys.stderr.write(file.read_text(errors="replace"))


def environment_of(data: Path) -> dict[str, str]:
    """Return the settings of all services that `peyvand up-local` has written down for its operator."""
    lines = (data / "local" / "environment").read_text().splitlines()
    return {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}


def open_bus_of(kafka: str | None, database_url: str) -> EventBus:
    """Return a client of the bus that a deployment speaks over."""
    settings = SERVICES[0].settings
    return open_bus(
        settings(
            database_url="postgresql:///unused",
            kafka_bootstrap_servers=kafka,
            bus_database_url=database_url,
            jwt_public_key=keys().public_pem,
            secret_key=SECRET,
        )
    )


@asynccontextmanager
async def apart(
    server: Databases,
    folder: Path,
    kafka: str | None = None,
    *,
    run: Run = running,
    settings: Mapping[str, str] | None = None,
    outside: Databases | None = None,
) -> AsyncIterator[Deployment]:
    """Run five APIs, five workers and the sandbox as processes of their own, behind nginx.

    The sandbox and the local bus have their databases `outside`, by default on the same server.
    """
    async with AsyncExitStack() as stack:
        outside = outside or server
        bus_url = await stack.enter_async_context(outside.database("template_bus", migrate_bus))
        environment = {
            **(settings or {}),
            "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
            "PEYVAND_SECRET_KEY": SECRET,
            "PEYVAND_SANDBOX": "1",
            "MESSAGING_PRIVATE_NETWORKS": "127.0.0.0/8",
            "PEYVAND_TRUSTED_PROXIES": "127.0.0.1",
            "PEYVAND_LOG_LEVEL": "warning",
            "PEYVAND_LOG_FORMAT": "text",
        } | ({"PEYVAND_KAFKA_BOOTSTRAP_SERVERS": kafka} if kafka else {"PEYVAND_BUS_DATABASE_URL": bus_url})
        databases = await _databases(stack, server, outside) | {"bus": bus_url}
        ports, processes = await _start(stack, databases, environment, run)
        url = await stack.enter_async_context(ingress({name: [port] for name, port in ports.items()}))
        await asyncio.gather(*(_ready(name, port) for name, port in ports.items()))
        token_file = folder / "token"
        token_file.write_text(token(subject="developer"))
        bus = open_bus_of(kafka, bus_url)
        stack.push_async_callback(bus.close)
        apis = {service.name: f"http://127.0.0.1:{ports[service.name]}" for service in SERVICES}
        yield Deployment(url, token_file, bus, processes, databases, apis)


async def _databases(stack: AsyncExitStack, server: Databases, outside: Databases) -> dict[str, str]:
    """Make an empty database for every service, and for the sandbox."""
    lent = {service.name: server for service in SERVICES} | {"sandbox": outside}
    return {
        name: await stack.enter_async_context(where.database("template_empty", _leave_empty))
        for name, where in lent.items()
    }


async def _start(
    stack: AsyncExitStack, databases: Mapping[str, str], environment: Mapping[str, str], run: Run
) -> tuple[dict[str, int], dict[str, Running]]:
    """Migrate and start everything; return the port of each API, and the processes by name and role."""
    ports: dict[str, int] = {}
    processes: dict[str, Running] = {}
    for service in SERVICES:
        prefix, api_port, worker_port = service.name.upper(), free_port(), free_port()
        own = {**environment, f"{prefix}_DATABASE_URL": databases[service.name]}
        async with running([f"services.{service.name}", "migrate"], own) as migration:
            assert await migration.ended(within=60) == 0, migration.lines
        for role, port in (("api", api_port), ("worker", worker_port)):
            process = run([f"services.{service.name}", role], {**own, f"{prefix}_PORT": str(port)})
            processes[f"{service.name} {role}"] = await stack.enter_async_context(process)
        ports[service.name] = api_port
    sandbox_port, smtp_port = free_port(), free_port()
    sandbox = {
        **environment,
        "SANDBOX_DATABASE_URL": databases["sandbox"],
        "SANDBOX_PORT": str(sandbox_port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
    }
    processes["sandbox"] = await stack.enter_async_context(run(["services.sandbox"], sandbox))
    ports["sandbox"] = sandbox_port
    return ports, processes


async def _leave_empty(_url: str) -> None:
    """Make nothing: the service's own migration does."""


async def _ready(name: str, port: int) -> None:
    path = "/sandbox" if name == "sandbox" else "/readyz"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def answers() -> bool:
            try:
                return (await client.get(path)).is_success
            except httpx.TransportError:
                return False

        await eventually(answers, within=READY_S, every=0.2)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
