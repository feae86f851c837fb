"""`python -m services.<name> api|worker|all|migrate`: one service in one process."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from shared.bus import open_bus
from shared.migrate import migrate
from shared.outbox.topics import make_topics
from shared.runtime import open_runtime
from shared.service import Runtime, Service
from shared.settings import ServiceSettings, SettingsError, load
from shared.telemetry import configure_logging
from shared.web.app import create_app, create_operational_app
from shared.web.sse import end_streams
from shared.worker import Worker

ROLES = {
    "api": "answer requests",
    "worker": "relay events, consume them and turn the clocks; answers its health paths",
    "all": "both in one process",
    "migrate": "bring the database to the newest version, make the topics that are missing, and end",
}
GRACE_S = 8


def main(service: Service, arguments: list[str] | None = None) -> None:
    """Run `service` in the role that the command line names; settings come from the environment."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service.name}", description=service.description)
    parser.add_argument("role", choices=ROLES, help="; ".join(f"{role}: {what}" for role, what in ROLES.items()))
    role = parser.parse_args(arguments).role
    try:
        settings = load(service.settings)
    except SettingsError as error:
        sys.exit(str(error))
    configure_logging(settings)
    if role == "migrate":
        asyncio.run(prepare(service, settings))
    else:
        asyncio.run(run(service, settings, role))


async def prepare(service: Service, settings: ServiceSettings) -> None:
    """Bring the database to the newest version and make the topics that do not exist; harmless to repeat."""
    await migrate(service, settings.migration_database_url or settings.database_url)
    bus = open_bus(settings)
    try:
        await make_topics(bus, partitions=settings.partitions)
    finally:
        await bus.close()


async def run(service: Service, settings: ServiceSettings, role: str) -> None:
    """Run one role until a signal to stop arrives."""
    async with open_runtime(service, settings) as runtime:
        stop = stop_on_signals()
        app = create_operational_app(runtime) if role == "worker" else create_app(runtime)
        work = [] if role == "api" else [Worker(runtime).run]
        await serve_until(stop, app, runtime, work)


async def serve_until(
    stop: asyncio.Event, app: FastAPI, runtime: Runtime, work: Sequence[Callable[[asyncio.Event], Awaitable[None]]]
) -> None:
    """Serve `app` and do `work` until `stop`; if one of them ends early, end all and raise its error."""
    server = Server(uvicorn_config(app, host=runtime.settings.host, port=runtime.settings.port))
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(until_stopped(each, stop))
        group.create_task(server.serve_until(stop))


async def until_stopped(work: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    """Do `work`; whatever ends it, the rest stops too."""
    try:
        await work(stop)
    finally:
        stop.set()


class Server(uvicorn.Server):
    """Uvicorn that leaves signals to us, as several things stop together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_until(self, stop: asyncio.Event, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `stop` is set, then let open requests end."""
        stopping = asyncio.create_task(self._exit_on(stop))
        try:
            await self.serve(sockets)
        finally:
            stop.set()
            await stopping

    async def _exit_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.should_exit = True
        end_streams()


def uvicorn_config(app: object, *, host: str, port: int) -> uvicorn.Config:
    """Return how all of Peyvand's servers listen."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="off",
        proxy_headers=False,
    )


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
