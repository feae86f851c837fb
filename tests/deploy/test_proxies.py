"""Who calls is who the connection comes from, unless a proxy that is trusted says otherwise."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.local.ports import HOST, listens, unused
from shared.main import Server, uvicorn_config
from tests.support.eventually import eventually


async def who_calls(scope: Scope, receive: Receive, send: Send) -> None:
    client = Request(scope).client
    await PlainTextResponse(client.host if client else "nobody")(scope, receive, send)


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [((), "127.0.0.1"), (("192.0.2.0/24",), "127.0.0.1"), (("192.0.2.1", "127.0.0.0/8"), "203.0.113.9")],
)
async def test_a_forwarded_address_counts_from_a_trusted_proxy_alone(trusted: tuple[str, ...], seen: str) -> None:
    port, stop = unused(), asyncio.Event()
    server = Server(uvicorn_config(who_calls, host=HOST, port=port, trusted_proxies=trusted))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve_until(stop))
        await eventually(lambda: listens(port))
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{HOST}:{port}/", headers={"X-Forwarded-For": "203.0.113.9"})
        stop.set()

    assert answer.text == seen
