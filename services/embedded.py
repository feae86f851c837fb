"""All of Peyvand in one process: PostgreSQL, five services, their workers and the sandbox, on one port.

The only module that imports several services.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.customers.app import SERVICE as CUSTOMERS
from services.data_folder import CannotStart, hold_folder, keys_in, secret_in, write_token
from services.leads.app import SERVICE as LEADS
from services.messaging.app import SERVICE as MESSAGING
from services.messaging.providers.usecases import SANDBOX_LINE, ensure_sandbox_accounts
from services.metrics.app import SERVICE as METRICS
from services.postgres import EmbeddedPostgres, PostgresFailed
from services.sandbox.app import hook_line, open_sandbox
from services.sandbox.settings import Settings as SandboxSettings
from services.surveys.app import SERVICE as SURVEYS
from shared.garbage import settle_collector
from shared.main import Server, prepare, stop_on_signals, tell_unread, until_stopped, uvicorn_config
from shared.routes import OPERATIONAL, service_for
from shared.runtime import open_runtime
from shared.service import Runtime, Service
from shared.settings import ServiceSettings, load
from shared.telemetry import configure_logging
from shared.web.app import create_app
from shared.web.handlers import NoSuchPath
from shared.web.problems import render
from shared.worker import Worker

SERVICES: tuple[Service, ...] = (LEADS, CUSTOMERS, SURVEYS, MESSAGING, METRICS)
HOST = "127.0.0.1"
Say = Callable[[str], None]


async def run_embedded(data: Path, port: int, *, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Says each step, then the addresses, then `ready`.

    Raises `CannotStart` if the data are in use, the port is taken or the database server does not start, and
    `SettingsError`.
    """
    stop = stop_on_signals()
    with hold_folder(data), listen(port) as listener:
        settings = [settings_of(service, data) for service in SERVICES]
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        with postgres(data, say) as server:
            async with open_embedded(server, settings, write_token(data), address, say) as embedded:
                await embedded.serve(listener, stop, say)
            say("stopping")
    say("stopped")


@dataclass(slots=True)
class Embedded:
    """All services opened, behind one dispatcher."""

    runtimes: tuple[Runtime, ...]
    dispatcher: Dispatcher
    address: str
    token_file: Path

    async def serve(self, listener: socket.socket, stop: asyncio.Event, say: Say) -> None:
        """Serve and work until `stop`; whatever ends early ends all."""
        server = Server(uvicorn_config(self.dispatcher, host=HOST, port=0))
        settle_collector()
        async with asyncio.TaskGroup() as group:
            for runtime in self.runtimes:
                group.create_task(until_stopped(Worker(runtime).run, stop))
            group.create_task(server.serve_until(stop, [listener]))
            group.create_task(self._say_ready(stop, say))

    async def _say_ready(self, stop: asyncio.Event, say: Say) -> None:
        """Say the addresses, and `ready` once every part of every service answers."""
        import httpx  # noqa: PLC0415  (a client is needed for this alone)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.dispatcher), base_url=self.address) as client:
            for runtime in self.runtimes:
                while (await client.get(f"/readyz/{runtime.service.name}")).is_error and not await _within(stop, 0.05):
                    pass
        if not stop.is_set():
            for line in self.addresses():
                say(line)

    def addresses(self) -> list[str]:
        """Return what a newcomer needs to know, the last line beginning with `ready`."""
        docs = [f"{self.address}/docs/{runtime.service.name}" for runtime in self.runtimes]
        return [
            f"API docs   {docs[0]}",
            *(f"           {address}" for address in docs[1:]),
            f"Sandbox    {self.address}/sandbox",
            f"Dashboard  {self.address}/dashboard",
            f"Token      {self.token_file}",
            f"ready at {self.address}",
        ]


@asynccontextmanager
async def open_embedded(
    server: EmbeddedPostgres, settings: Sequence[ServiceSettings], token_file: Path, address: str, say: Say
) -> AsyncIterator[Embedded]:
    """Migrate the databases and open the services and the sandbox on them; `address` is where they will answer."""
    names = [service.name for service in SERVICES]
    await server.ensure_databases(*names, "bus", "sandbox")
    async with AsyncExitStack() as stack:
        configure_logging(settings[0])
        tell_unread(*(service.settings for service in SERVICES), SandboxSettings)
        await _prepare(settings, say)
        say("Starting the services")
        runtimes = [
            await stack.enter_async_context(open_runtime(service, loaded))
            for service, loaded in zip(SERVICES, settings, strict=True)
        ]
        sandbox = await stack.enter_async_context(
            open_sandbox(server.url("sandbox"), smtp_host=HOST, smtp_port=0, zone=settings[0].time_zone)
        )
        apps: dict[str, ASGIApp] = {runtime.service.name: create_app(runtime) for runtime in runtimes}
        dispatcher = Dispatcher(apps | {"sandbox": sandbox})
        await _introduce(runtimes[names.index("messaging")], sandbox, address)
        yield Embedded(tuple(runtimes), dispatcher, address, token_file)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event` for some time, and say whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _prepare(settings: Sequence[ServiceSettings], say: Say) -> None:
    for service, loaded in zip(SERVICES, settings, strict=True):
        say(f"Preparing {service.name}")
        await prepare(service, loaded)


async def _introduce(messaging: Runtime, sandbox: FastAPI, address: str) -> None:
    """Make the sandbox messaging's panel and mail server, and have it call messaging's webhooks."""
    async with messaging.db.transaction() as tx:
        accounts = await ensure_sandbox_accounts(
            tx,
            messaging.settings,
            base_url=f"{address}/sandbox/smsir/v1",
            smtp_host=HOST,
            smtp_port=sandbox.state.smtp_port,
        )
    paths = accounts.webhook_paths
    await hook_line(
        sandbox,
        int(SANDBOX_LINE),
        {"delivery": address + paths["delivery"], "inbound": address + paths["inbound"]},
    )


@dataclass(slots=True)
class Dispatcher:
    """One ASGI app over all services: by path, and for docs and health by the service's name behind it."""

    apps: dict[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "/")
        name, inner = operational(path) or (service_for(path), path)
        if inner != path:
            scope = {**scope, "path": inner, "raw_path": inner.encode()}
        app = self.apps.get(name or "")
        if app is not None:
            await app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _home(self.apps) if path == "/" else render(Request(scope), NoSuchPath(path))
            await answer(scope, receive, send)


def operational(path: str) -> tuple[str, str] | None:
    """Take `/docs/leads/rest` apart into the service and the path it knows: `leads`, `/docs/rest`."""
    first, _, rest = path.removeprefix("/").partition("/")
    if f"/{first}" not in OPERATIONAL or not rest:
        return None
    name, _, inner = rest.partition("/")
    if first == "openapi":
        return name.removesuffix(".json"), "/openapi.json"
    return name, f"/{first}/{inner}" if inner else f"/{first}"


def _home(apps: dict[str, ASGIApp]) -> HTMLResponse:
    """Return the page at `/`."""
    docs = [(f"/docs/{name}", f"API: {name}") for name in apps if name != "sandbox"]
    links = "".join(
        f'<li><a href="{html.escape(path)}">{html.escape(title)}</a></li>'
        for path, title in [("/dashboard", "Dashboard"), ("/sandbox", "Sandbox"), *docs]
    )
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Peyvand</title><h1>Peyvand</h1><ul>{links}</ul>"
    )


@contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """Take the port before anything else is started; port 0 takes a free one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise CannotStart(f"Port {port} cannot be used: {error.strerror}. Name another one.") from None
        yield listener


@contextmanager
def postgres(data: Path, say: Say) -> Iterator[EmbeddedPostgres]:
    """Run the database server for the length of the block."""
    say("Starting PostgreSQL")
    try:
        with EmbeddedPostgres(data / "postgres") as server:
            yield server
    except PostgresFailed as failure:
        raise CannotStart(str(failure)) from None


def settings_of(service: Service, data: Path) -> ServiceSettings:
    """Return what a service runs with on a data folder; a Kafka that the environment names is used."""
    server = EmbeddedPostgres(data / "postgres")
    return load(
        service.settings,
        mode="embedded",
        database_url=server.url(service.name),
        bus_database_url=server.url("bus"),
        jwt_public_key=keys_in(data).public_pem,
        secret_key=secret_in(data),
        log_format="text",
        log_level=os.environ.get("PEYVAND_LOG_LEVEL", "warning"),
    )
