"""The sandbox on a real port, with a database and a mail server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from services.sandbox.app import running
from services.sandbox.settings import DEFAULT_API_KEY, Settings
from tests.support.eventually import eventually
from tests.support.postgres import TestServer


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that answers: its address, its mail port, a client for its JSON API, and one that is a panel's."""

    url: str
    smtp_port: int
    api: httpx.AsyncClient
    panel: httpx.AsyncClient
    database_url: str

    async def fault(self, kind: str, **given: Any) -> None:
        reply = await self.api.post("/sandbox/faults", json={"kind": kind, **given})
        assert reply.status_code == 201, reply.text

    async def shown(self, to: str) -> list[str]:
        items = (await self.api.get("/sandbox/messages", params={"to": to})).json()["items"]
        return [item["text"] for item in items]


StartSandbox = Callable[..., Awaitable[Running]]


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve `app` on a free port of loopback."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@asynccontextmanager
async def sandbox_on(database_url: str, **settings: Any) -> AsyncIterator[Running]:
    given: dict[str, Any] = {"smtp_port": 0, "delivery_delay_s": 0.0, "database_url": database_url} | settings
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(Settings(**given)))
        url = await stack.enter_async_context(serving(app))
        api = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
        panel = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"{url}/sandbox/smsir/v1", headers={"X-API-KEY": DEFAULT_API_KEY}, timeout=10)
        )
        yield Running(url, app.state.smtp_port, api, panel, database_url)


async def _empty(_url: str) -> None:
    """Leave the template empty: the sandbox makes its tables itself."""


@pytest.fixture
async def database_url(server: TestServer) -> AsyncIterator[str]:
    async with server.database("sandbox_template", _empty) as url:
        yield url


@pytest.fixture
async def start_sandbox(database_url: str) -> AsyncIterator[StartSandbox]:
    """Lend a function that starts a sandbox with other settings than the usual ones."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Running:
            return await stack.enter_async_context(sandbox_on(database_url, **settings))

        yield start


@pytest.fixture
async def sandbox(database_url: str) -> AsyncIterator[Running]:
    async with sandbox_on(database_url) as running_sandbox:
        yield running_sandbox
