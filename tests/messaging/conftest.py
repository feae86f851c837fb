"""The messaging service on a database of its own, and the sandbox panel on a real port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from services.messaging.app import SERVICE
from services.messaging.providers.usecases import SandboxAccounts, ensure_sandbox_accounts
from services.sandbox.app import open_sandbox
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.support.postgres import TestServer

LINE = "30007732000000"
NEW_CONNECTION_EACH = httpx.Limits(max_keepalive_connections=0)
"""A connection that is kept could be closed by the server in the moment in which it is used again."""


@dataclass(slots=True)
class Panel:
    """The sandbox as tests use it: phones, mailboxes and faults."""

    url: str
    smtp_port: int
    http: httpx.AsyncClient

    @property
    def base_url(self) -> str:
        return f"{self.url}/sandbox/smsir/v1"

    async def texts(self, to: str | None = None) -> list[dict[str, Any]]:
        answer = await self.http.get("/sandbox/messages", params={"to": to} if to else {})
        return list(answer.json()["items"])

    async def mails(self, to: str) -> list[dict[str, Any]]:
        return list((await self.http.get("/sandbox/mails", params={"to": to})).json()["items"])

    async def fault(self, kind: str, **how: Any) -> None:
        (await self.http.post("/sandbox/faults", json={"kind": kind, **how})).raise_for_status()

    async def no_faults(self) -> None:
        (await self.http.delete("/sandbox/faults")).raise_for_status()

    async def set(self, **panel: Any) -> None:
        (await self.http.patch("/sandbox/settings", json=panel)).raise_for_status()

    async def reply(self, sender: str, text: str, to: str = LINE) -> None:
        body = {"from": sender, "text": text, "to": to}
        (await self.http.post("/sandbox/replies", json=body)).raise_for_status()


@pytest.fixture
async def panel(server: TestServer) -> AsyncIterator[Panel]:
    """Lend a sandbox of the test's own, over real HTTP; deliveries are reported at once."""
    async with (
        server.database("template_sandbox", _nothing) as url,
        open_sandbox(url, smtp_port=0, delivery_delay_s=0) as app,
        _serving(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=NEW_CONNECTION_EACH) as http,
    ):
        yield Panel(f"http://127.0.0.1:{port}", app.state.smtp_port, http)


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    """Lend the service with a short patience, and no account."""
    return await make_runtime(SERVICE, request_timeout_s=0.5, reconcile_after_s=0, reconcile_for_s=0.3, pool_size=8)


@pytest.fixture
async def accounts(runtime: Runtime, panel: Panel) -> SandboxAccounts:
    """Have accounts at the sandbox."""
    async with runtime.db.transaction() as tx:
        return await ensure_sandbox_accounts(
            tx, runtime.settings, base_url=panel.base_url, smtp_host="127.0.0.1", smtp_port=panel.smtp_port
        )


async def _nothing(_url: str) -> None:
    """The sandbox makes its tables itself."""


@contextlib.asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[int]:
    """Serve `app` on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  (uvicorn tells by this alone)
            await asyncio.sleep(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
