"""Load over HTTP from one process: a number of kept-alive connections, each of which asks again once it was answered.

As little Python a request as can be, since the client shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(slots=True)
class Load:
    """What a round saw: seconds each answer took, and answers that were none of the good ones."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return answers a second."""
        return len(self.latencies) / self.seconds


class Connection(asyncio.Protocol):
    """One connection that sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], load: Load, until: float) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._load = load
        self._until = until
        self._answer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(HEAD_END)
        if not found:
            return
        length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        if head[9:10] == b"2":
            self._load.latencies.append(time.perf_counter() - self._sent_at)
        else:
            self._load.refused.append(self._answer)
        self._answer = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("The server closed the connection."))

    def _ask(self) -> None:
        if time.perf_counter() >= self._until:
            self.ended.set_result(None)
            self._transport.close()
            return
        request = next(self._requests, None)
        if request is None:
            self.ended.set_exception(RuntimeError("All requests were answered before the time was over; make more."))
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def put_load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send `requests` for `seconds`, as many at once as there are `connections`."""
    loop, load, began = asyncio.get_running_loop(), Load(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(requests, load, began + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    load.seconds = time.perf_counter() - began
    return load


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "host: benchmark", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
