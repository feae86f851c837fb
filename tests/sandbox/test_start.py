"""Starting and stopping: never beside a distributed deployment, and soon over although pages are open."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping

import httpx
import pytest

from services.sandbox.app import hook_line, open_sandbox
from services.sandbox.settings import DEFAULT_LINE
from shared.settings import SettingsError
from tests.sandbox.conftest import Running, serving
from tests.support.deployments import free_port
from tests.support.eventually import eventually
from tests.support.processes import running


async def test_it_does_not_start_in_a_distributed_deployment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYVAND_MODE", "distributed")

    with pytest.raises(SettingsError, match="PEYVAND_SANDBOX=1"):
        await open_sandbox(database_url, smtp_port=0).__aenter__()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "The sandbox takes every message for itself. Set PEYVAND_SANDBOX=1 if that is what you want."),
        ({"PEYVAND_SANDBOX": "1"}, "SANDBOX_DATABASE_URL is missing: Address of the sandbox's own database"),
    ],
)
async def test_what_keeps_it_from_starting_is_said_in_a_sentence(environment: Mapping[str, str], sentence: str) -> None:
    async with running(["services.sandbox"], environment) as process:
        assert await process.ended() == 1

    [line] = process.lines
    assert line.startswith(sentence)


async def test_it_ends_soon_although_a_page_is_open(database_url: str) -> None:
    port = free_port()
    environment = {
        "PEYVAND_SANDBOX": "1",
        "SANDBOX_DATABASE_URL": database_url,
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": "0",
    }
    async with (
        running(["services.sandbox"], environment) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        await eventually(lambda: answers(client), within=30)
        async with client.stream("GET", "/sandbox/events") as page:
            await anext(page.aiter_lines())
            began = time.monotonic()
            process.send(signal.SIGTERM)
            await process.ended(within=10)

    assert time.monotonic() - began < 10


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/sandbox")).is_success
    except httpx.ConnectError:
        return False


async def test_a_line_is_hooked_by_whoever_composes_it(database_url: str, sandbox: Running) -> None:
    async with open_sandbox(database_url, smtp_port=0) as app, serving(app) as url, httpx.AsyncClient() as client:
        await hook_line(app, DEFAULT_LINE, {"inbound": f"{url}/nowhere"})

        [line] = (await client.get(f"{url}/sandbox/lines")).json()["items"]

    assert line["hooks"]["inbound"]["url"] == f"{url}/nowhere"


async def test_two_starts_at_once_make_the_tables_once(database_url: str) -> None:
    async def start() -> None:
        async with open_sandbox(database_url, smtp_port=0):
            pass

    await asyncio.gather(*(start() for _ in range(3)))

    async with open_sandbox(database_url, smtp_port=0) as app, serving(app) as url, httpx.AsyncClient() as client:
        lines = (await client.get(f"{url}/sandbox/lines")).json()["items"]
    assert [line["number"] for line in lines] == [str(DEFAULT_LINE)]


async def test_it_stops_though_a_webhook_falls_due_at_that_very_moment(database_url: str) -> None:
    async with asyncio.timeout(5), open_sandbox(database_url, smtp_port=0) as app:
        wake = app.state.sandbox.wake
        await eventually(lambda: bool(wake._waiters), every=0.001)
        wake.set()
