"""Live streams (server-sent events) that end when the client goes away, or the process stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakSet

import orjson
from fastapi.responses import StreamingResponse

KEEP_ALIVE_S = 15.0
"""How often a silent stream says that it lives: proxies cut connections that are silent for a minute."""

RETRY_MS = 2_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a stream, where its name or id matter to the page; else the data alone will do."""

    data: Any
    event: str | None = None
    id: str | None = None


_open: WeakSet[asyncio.Event] = WeakSet()
"""What ends each stream that is open in this process."""


def sse(happenings: AsyncIterator[Any], *, keep_alive_s: float = KEEP_ALIVE_S) -> StreamingResponse:
    """Return the answer that streams `happenings`: `Happening`s, or data to send as JSON."""
    return StreamingResponse(
        _frames(happenings, keep_alive_s),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-cache"},
    )


def end_streams() -> None:
    """End the streams of this process. A server that is asked to stop calls this first, or it would wait for them."""
    for stop in list(_open):
        stop.set()


async def _frames(happenings: AsyncIterator[Any], keep_alive_s: float) -> AsyncIterator[bytes]:
    stop = asyncio.Event()
    _open.add(stop)
    yield f"retry: {RETRY_MS}\n\n".encode()
    stopped = asyncio.ensure_future(stop.wait())
    upcoming = asyncio.ensure_future(_next(happenings))
    try:
        while True:
            await asyncio.wait((upcoming, stopped), timeout=keep_alive_s, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return
            if not upcoming.done():
                yield b": keep-alive\n\n"
                continue
            try:
                happening = upcoming.result()
            except StopAsyncIteration:
                return
            yield frame(happening)
            upcoming = asyncio.ensure_future(_next(happenings))
    finally:
        await _end(upcoming, stopped)
        if hasattr(happenings, "aclose"):
            async with aclosing(cast("Any", happenings)):
                pass


async def _next(happenings: AsyncIterator[T]) -> T:
    return await anext(happenings)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def frame(happening: Any) -> bytes:
    """Return what is sent for one happening."""
    if not isinstance(happening, Happening):
        happening = Happening(happening)
    data = happening.data if isinstance(happening.data, str) else orjson.dumps(happening.data).decode()
    lines = [f"event: {happening.event}"] if happening.event else []
    lines += [f"id: {happening.id}"] if happening.id else []
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()
