from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from shared.web.sse import Happening, end_streams, frame, sse
from tests.support.eventually import eventually


class Ticks:
    """Endless happenings that note whether anybody still listens."""

    def __init__(self, *, silent_after: int) -> None:
        self.closed = False
        self._silent_after = silent_after
        self._forever = asyncio.Event()

    async def happenings(self) -> AsyncIterator[object]:
        try:
            for number in range(self._silent_after):
                yield {"tick": number}
            await self._forever.wait()
        finally:
            self.closed = True


async def read(response: StreamingResponse) -> list[object]:
    return [chunk async for chunk in response.body_iterator]


@pytest.mark.parametrize(
    ("happening", "sent"),
    [
        ({"پیام": "سلام"}, 'data: {"پیام":"سلام"}\n\n'),
        ("one\ntwo", "data: one\ndata: two\n\n"),
        ("", "data: \n\n"),
        (Happening({"a": 1}, event="sms", id="7"), 'event: sms\nid: 7\ndata: {"a":1}\n\n'),
    ],
)
def test_a_happening_is_sent_as_browsers_read_it(happening: object, sent: str) -> None:
    assert frame(happening) == sent.encode()


async def test_a_stream_ends_with_what_it_streams() -> None:
    async def three() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    assert await read(sse(three())) == [b"retry: 2000\n\n", b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_silent_stream_says_that_it_lives() -> None:
    ticks = Ticks(silent_after=0)
    frames = aiter(sse(ticks.happenings(), keep_alive_s=0.01).body_iterator)
    seen = [await anext(frames) for _ in range(3)]
    end_streams()
    rest = [chunk async for chunk in frames]

    assert seen == [b"retry: 2000\n\n", b": keep-alive\n\n", b": keep-alive\n\n"]
    assert set(rest) <= {b": keep-alive\n\n"}
    assert ticks.closed


async def test_a_fault_of_what_is_streamed_is_not_hidden() -> None:
    async def faulty() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("The source broke.")

    with pytest.raises(RuntimeError, match="The source broke"):
        await read(sse(faulty()))


@pytest.fixture
async def served() -> AsyncIterator[tuple[str, list[Ticks], uvicorn.Server]]:
    app, streams = FastAPI(), []

    @app.get("/live")
    async def live() -> object:
        streams.append(Ticks(silent_after=1))
        return sse(streams[-1].happenings(), keep_alive_s=0.05)

    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/live", streams, server
    server.should_exit = True
    await running


async def test_a_stream_ends_when_its_reader_goes_away(
    served: tuple[str, list[Ticks], uvicorn.Server],
) -> None:
    url, streams, _ = served
    async with httpx.AsyncClient() as http, http.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        while not (line := await anext(lines)).startswith("data:"):
            pass
        assert json.loads(line.removeprefix("data:")) == {"tick": 0}
        assert not streams[0].closed

    await eventually(lambda: streams[0].closed)


async def test_a_server_with_an_open_stream_stops_at_once(served: tuple[str, list[Ticks], uvicorn.Server]) -> None:
    url, streams, server = served
    async with httpx.AsyncClient() as http, http.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        server.should_exit = True
        end_streams()
        rest = [line async for line in lines]

    assert streams[0].closed
    assert rest[-1] == ""
