"""`python -m services.<name> api|worker|all|migrate`: one service in one process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic_settings import BaseSettings

from shared.bus import open_bus
from shared.errors import Unavailable
from shared.garbage import settle_collector
from shared.outbox.topics import make_topics
from shared.runtime import open_runtime
from shared.service import Runtime, Service
from shared.settings import ServiceSettings, SettingsError, load, unread
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
"""How long requests that are being answered may take to end once no new ones are taken."""

KEEP_ALIVE_S = 20
"""How long an idle connection stays open; longer than a proxy in front keeps it, so that the proxy closes it first."""

SETTLE_S = 0.3
"""How long a connection that was taken at the last moment has to send its request."""

CLOSE = (b"connection", b"close")

log = structlog.get_logger(__name__)


def main(service: Service, arguments: list[str] | None = None) -> None:
    """Run `service` in the role that the command line names; settings come from the environment."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service.name}", description=service.description)
    parser.add_argument("role", choices=ROLES, help="; ".join(f"{role}: {what}" for role, what in ROLES.items()))
    role = parser.parse_args(arguments).role
    try:
        settings = load(service.settings)
        configure_logging(settings)
        tell_unread(service.settings)
        if role == "migrate":
            asyncio.run(prepare(service, settings))
        else:
            uvloop.run(run(service, settings, role))
    except (SettingsError, Unavailable) as obstacle:
        sys.exit(str(obstacle))


def tell_unread(*settings: type[BaseSettings]) -> None:
    """Log which variables are named as settings are and change nothing; nobody would else find out."""
    if names := unread(os.environ, *settings):
        log.warning("settings_not_read", names=names)


async def prepare(service: Service, settings: ServiceSettings) -> None:
    """Bring the database to the newest version and make the topics that do not exist; harmless to repeat.

    Raises `Unavailable` where either cannot be reached.
    """
    from shared.migrate import migrate  # noqa: PLC0415  (a process that serves needs no alembic, which weighs 10 MB)

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
        settle_collector()
        await serve_until(stop, app, runtime, work)


async def serve_until(
    stop: asyncio.Event, app: FastAPI, runtime: Runtime, work: Sequence[Callable[[asyncio.Event], Awaitable[None]]]
) -> None:
    """Serve `app` and do `work` until `stop`; if one of them ends early, end all and raise its error."""
    settings = runtime.settings
    config = uvicorn_config(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies)
    server = Server(config, runtime)
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
    """Uvicorn that leaves signals to us, as several things stop together, and that a proxy can leave without a loss.

    Told to stop, the API of `runtime` turns its readiness red and goes on answering for a while, each connection once
    more. Then it takes no new ones: whoever tries is refused before they have sent anything, and can go elsewhere.
    """

    def __init__(self, config: uvicorn.Config, runtime: Runtime | None = None) -> None:
        super().__init__(config)
        self._runtime = runtime

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
        if self.started and self._runtime is not None and self._runtime.settings.drain_s:
            await self._drain(self._runtime)
        self.should_exit = True
        end_streams()

    async def _drain(self, runtime: Runtime) -> None:
        runtime.stopping = True
        self.config.encoded_headers.append(CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        await asyncio.sleep(runtime.settings.drain_s)
        for connection in self._take_no_more():
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(SETTLE_S)

    def _take_no_more(self) -> list[socket.socket]:
        """Close the doors; return who stood in them, whom the system would cut off after it had let them in."""
        doors = [listener.dup() for server in self.servers for listener in server.sockets]
        for server in self.servers:
            server.close()
        inside = [connection for door in doors for connection in _waiting(door)]
        for door in doors:
            door.close()
        return inside

    def _protocol(self) -> asyncio.Protocol:
        kind: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _waiting(door: socket.socket) -> Iterator[socket.socket]:
    """Accept until nobody is left."""
    with suppress(BlockingIOError):
        while True:
            connection, _ = door.accept()
            connection.setblocking(False)  # noqa: FBT003  (the only way to say it)
            yield connection


def uvicorn_config(app: object, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return how all of Peyvand's servers listen; callers are who `trusted_proxies` say they are, and nobody else."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="off",
        ws="none",
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
    )


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
