"""An ingress for tests: one origin over services that run apart, by the same table of paths that nginx has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from services.embedded import operational
from shared.routes import service_for

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def ingress(origins: Mapping[str, str]) -> Starlette:
    """Return an app that passes each request on to the service at `origins[name]`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=60) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> Response:
        name, path = operational(request.url.path) or (service_for(request.url.path), request.url.path)
        if name is None or name not in origins:
            return PlainTextResponse("Nothing answers at this path.", status_code=404)
        url = httpx.URL(origins[name]).copy_with(path=path, query=request.url.query.encode())
        headers = [(key, value) for key, value in request.headers.items() if key not in HOP_BY_HOP]
        client: httpx.AsyncClient = request.app.state.client
        sent = client.build_request(request.method, url, headers=headers, content=await request.body())
        try:
            answer = await client.send(sent, stream=True)
        except httpx.TransportError:
            return PlainTextResponse("The service does not answer.", status_code=502)
        kept = {key: value for key, value in answer.headers.items() if key not in HOP_BY_HOP}
        return StreamingResponse(_body(answer), status_code=answer.status_code, headers=kept)

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)], lifespan=lifespan)


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
