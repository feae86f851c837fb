from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from shared.service import Runtime
from shared.web import deadlines
from shared.web.app import create_app
from shared.web.deadlines import Deadlines
from tests.shared.web.conftest import SCOPES
from tests.shared.web.notes import SERVICE
from tests.support.api import client as open_client
from tests.support.api import token
from tests.support.eventually import eventually

MakeRuntime = Callable[..., Awaitable[Runtime]]
HEADERS = {"Authorization": f"Bearer {token(SCOPES)}", "Content-Type": "application/json"}
"""Somebody who is signed in."""


@pytest.fixture
async def hasty(make_runtime: MakeRuntime) -> FastAPI:
    return create_app(
        await make_runtime(SERVICE, request_deadline_s=0.3, body_deadline_s=0.4, bulk_deadline_s=0.8, pool_size=2)
    )


@pytest.fixture
async def http(hasty: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(hasty.state.runtime, SCOPES, app=hasty) as opened:
        yield opened


async def count(http: httpx.AsyncClient) -> int:
    return len((await http.get("/v1/notes")).json()["items"])


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_request_that_takes_too_long_is_broken_off_and_rolled_back(
    hasty: FastAPI, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for _ in range(4):
        hasty.state.gate = asyncio.Event(), asyncio.Event()
        answer = await http.post("/v1/notes/slow", json={"text": "سلام"}, headers=headers)

        assert hasty.state.gate[0].is_set()
        assert (answer.status_code, answer.json()["code"]) == (503, "deadline_passed")
        assert "retry-after" in answer.headers
        assert "x-request-id" in answer.headers
    assert await count(http) == 0
    assert (await http.post("/v1/notes", json={"text": "سلام"}, headers=headers)).status_code == 201


async def test_a_statement_that_takes_too_long_ends_in_the_database_too(
    hasty: FastAPI, http: httpx.AsyncClient
) -> None:
    answer = await http.get("/v1/notes/asleep")
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active'"

    async def ended() -> bool:
        async with hasty.state.runtime.db.connection() as connection:
            return not await connection.fetchval(
                f"{running} AND pid <> pg_backend_pid() AND datname = current_database()"
            )

    assert answer.status_code == 503
    await eventually(ended, within=5)


async def test_a_request_within_its_time_is_left_alone(hasty: FastAPI, http: httpx.AsyncClient) -> None:
    hasty.state.gate = asyncio.Event(), asyncio.Event()
    hasty.state.gate[1].set()

    assert (await http.post("/v1/notes/slow", json={"text": "سلام"})).status_code == 201


async def test_bulk_requests_have_more_time(hasty: FastAPI, http: httpx.AsyncClient) -> None:
    hasty.state.gate = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(http.post("/v1/notes/bulk?wait=true", json=[{"external_id": "1", "text": "سلام"}]))
    await hasty.state.gate[0].wait()
    began = asyncio.get_running_loop().time()
    answer = await waiting

    assert answer.json()["code"] == "deadline_passed"
    assert asyncio.get_running_loop().time() - began > 0.6


async def test_a_stream_lives_past_the_deadline(hasty: FastAPI) -> None:
    hasty.state.endless = asyncio.Event()
    frames: list[bytes] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, object]:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        frames.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": "/v1/notes/live", "query_string": b"", "headers": []}
    stream = asyncio.create_task(hasty(scope, receive, send))
    done, _ = await asyncio.wait([stream], timeout=0.7)
    assert not done
    assert any(b'{"tick":1}' in frame for frame in frames)
    ended.set()
    await stream


@asynccontextmanager
async def sending(app: FastAPI, chunks: AsyncIterator[bytes]) -> AsyncIterator[httpx.Response]:
    """Post a note whose body comes as `chunks` do."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=HEADERS) as http:
        yield await http.post("/v1/notes", content=chunks)


async def test_a_body_that_trickles_in_is_given_up(hasty: FastAPI, http: httpx.AsyncClient) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for letter in '{"text": "سلام به همه"}'.encode():
            yield bytes([letter])
            await asyncio.sleep(0.1)

    async with sending(hasty, slowly()) as answer:
        assert (answer.status_code, answer.json()["code"]) == (408, "body_too_slow")
        assert answer.headers["connection"] == "close"
    assert await count(http) == 0


async def test_a_large_body_may_take_as_long_as_it_is_large(hasty: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "SLOWEST_BYTES_PER_S", 20)

    async def steadily() -> AsyncIterator[bytes]:
        for start in range(0, 30, 3):
            yield b'{"text": "a body of thirty..."}'[start : start + 3]
            await asyncio.sleep(0.08)
        yield b"}"

    async with sending(hasty, steadily()) as answer:
        assert answer.status_code == 201


async def test_who_waits_is_answered_although_the_end_takes_its_time(
    hasty: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "GRACE_S", 0.2)
    rolled_back = asyncio.Event()

    async def stubborn(_scope: object, _receive: object, send: Callable[..., Awaitable[None]]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await rolled_back.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

    said: list[dict[str, object]] = []

    async def keep(message: object) -> None:
        assert isinstance(message, dict)
        said.append(message)
        if message["type"] == "http.response.body":
            rolled_back.set()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await Deadlines(stubborn, hasty.state.runtime.settings)(scope, receive, keep)

    assert [message.get("status") for message in said] == [503, None]


async def test_somebody_else_s_cancellation_is_theirs(hasty: FastAPI, http: httpx.AsyncClient) -> None:
    hasty.state.gate = asyncio.Event(), asyncio.Event()
    request = asyncio.create_task(http.post("/v1/notes/slow", json={"text": "سلام"}))
    await hasty.state.gate[0].wait()
    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request
