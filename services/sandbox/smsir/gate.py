"""What every request passes: the key, and the faults that strike whole requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from services.sandbox.faults import Fault, Faults
from services.sandbox.sandbox import Sandbox, SandboxDep, sandbox_of
from services.sandbox.smsir.answers import Refusal
from shared.clock import utcnow


def live_key(sandbox: SandboxDep, x_api_key: Annotated[str, Header()] = "") -> bool:
    """Tell a live key from one of kind Sandbox; raises `Refusal` 10 for any other."""
    if x_api_key in sandbox.settings.api_keys:
        return True
    if x_api_key in sandbox.settings.test_keys:
        return False
    raise Refusal(10)


LiveKey = Annotated[bool, Depends(live_key)]


class Hangup(Response):
    """Breaks the connection off in mid-answer, as a proxy does that loses its panel."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})


class FaultyRoute(APIRoute):
    """A route of the panel: faults strike before it, or after it has done its work."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            sandbox = sandbox_of(request)
            await _strike_before(sandbox)
            response: Response = await handle(request)
            return await _strike_after(sandbox, response) if request.method == "POST" else response

        return handler


async def _strike_before(sandbox: Sandbox) -> None:
    slow = await _struck(sandbox, "slow")
    if slow:
        await asyncio.sleep(slow.delay_s)
    if await _struck(sandbox, "http_429"):
        raise Refusal(20)
    if await _struck(sandbox, "http_500"):
        raise Refusal(0)


async def _strike_after(sandbox: Sandbox, response: Response) -> Response:
    """Keep back, or break off, the answer to a send that has been done."""
    hung = await _struck(sandbox, "timeout_after_accept")
    if hung:
        await asyncio.sleep(hung.delay_s)
    return Hangup() if hung or await _struck(sandbox, "close_connection") else response


async def _struck(sandbox: Sandbox, kind: Any) -> Fault | None:
    async with sandbox.transaction() as connection:
        return await (await Faults.on(connection, now=utcnow())).take(kind)
