"""Doing at once what waits at the same time.

Who comes first begins at once, and alone; who comes meanwhile waits, and is done together with others who wait by then.
So work that costs little more for many than for one is shared the more the more there is of it, and nobody waits for
company. What takes longer than `PATIENCE_S` no longer keeps the next from beginning.

Two halves work side by side: while one is at the database, the other is told, answers, and comes back with more. So at
most half of all who are there begin together, and whoever is done is told when the next have begun to wait longest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Generic, TypeVar

Work = TypeVar("Work")
Done = TypeVar("Done")

PATIENCE_S = 1.0
"""For how long those who wait do so for what is under way: a connection that hangs holds up its own work alone."""
TOLD_WITHIN_S = 0.01
"""How long who is done is kept waiting at most, so that what comes next is sent on its way first."""


class Gatherer(Generic[Work, Done]):
    """Gives what comes to `together`, at most `most` at once, in the order in which it came.

    `together` returns what came of each; what it raises, each of them is told. After `within_s` it is broken off. Where
    it begins to wait longest it calls `tell`.
    """

    def __init__(
        self, together: Callable[[Sequence[Work]], Awaitable[Sequence[Done]]], *, most: int, within_s: float
    ) -> None:
        self._together, self._most, self._within_s = together, most, within_s
        self._waiting: deque[tuple[Work, asyncio.Future[Done]]] = deque()
        self._awaited: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._untold: list[Callable[[], None]] = []

    async def do(self, work: Work) -> Done:
        """Return what came of `work`. Who is cancelled meanwhile harms nobody else, nor work that has begun."""
        done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._awaited is None:
            self._begin()
        return await done

    def tell(self) -> None:
        """Tell those who were done before what came of their work."""
        untold, self._untold = self._untold, []
        for tell in untold:
            tell()

    def _tell_late(self, ends: list[Callable[[], None]]) -> None:
        """Tell them, if nobody has."""
        if self._untold is ends:
            self.tell()

    async def close(self) -> None:
        """Break off what is under way, and tell those who are done."""
        self.tell()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self) -> None:
        """Begin with some of those who wait, on behalf of nobody: what they do together belongs to no request."""
        taken: list[tuple[Work, asyncio.Future[Done]]] = []
        half = (len(self._waiting) + len(self._untold) + 1) // 2
        while self._waiting and len(taken) < min(half, self._most):
            work, done = self._waiting.popleft()
            if not done.done():
                taken.append((work, done))
        if not taken:
            self.tell()
            return
        loop = asyncio.get_running_loop()
        task = self._awaited = loop.create_task(self._do(taken), context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        patience = loop.call_later(PATIENCE_S, self._go_on, task)
        task.add_done_callback(lambda _: patience.cancel())

    def _go_on(self, after: asyncio.Task[None] | None) -> None:
        """Begin the next, if it is `after` that those who wait are waiting for."""
        if self._awaited is after:
            self._awaited = None
            self._begin()

    async def _do(self, taken: Sequence[tuple[Work, asyncio.Future[Done]]]) -> None:
        """Do what was taken together, and begin the next before those who wait for this are told."""
        try:
            async with asyncio.timeout(self._within_s):
                results = await self._together([work for work, _ in taken])
        except Exception as error:  # noqa: BLE001  (told to whoever waits)
            ends: list[Callable[[], None]] = [partial(_fail, done, error) for _, done in taken]
        except asyncio.CancelledError:
            for _, done in taken:
                done.cancel()
            raise
        else:
            ends = [partial(_end, done, result) for (_, done), result in zip(taken, results, strict=True)]
        self.tell()
        self._untold = ends
        asyncio.get_running_loop().call_later(TOLD_WITHIN_S, self._tell_late, ends)
        self._go_on(asyncio.current_task())


def _end(done: asyncio.Future[Done], result: Done) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[Done], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
