"""Tells open pages that something changed. They fetch the page again; nothing about anybody travels here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

HEARTBEAT_S = 15.0


class Live:
    """A counter that pages wait on."""

    def __init__(self) -> None:
        self._version = 0
        self._changed = asyncio.Event()
        self._closed = False

    def publish(self) -> None:
        """Wake every open page."""
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """End every stream, so that a server that is stopping need not wait for them."""
        self._closed = True
        self.publish()

    async def events(self) -> AsyncIterator[bytes]:
        """Yield one server-sent event a change, and a comment where nothing happens for a while."""
        yield b"retry: 1000\n\n"
        seen = self._version
        while not self._closed:
            if seen == self._version and not await self._told():
                yield b": still here\n\n"
            elif not self._closed:
                seen = self._version
                yield f"event: changed\ndata: {seen}\n\n".encode()

    async def _told(self) -> bool:
        """Wait for a change; False where none came within a heartbeat."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
