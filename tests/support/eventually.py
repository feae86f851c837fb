"""Waiting for an effect, never for time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(look: Callable[[], Awaitable[T]], *, within: float = 5.0, every: float = 0.02) -> T: ...
@overload
async def eventually(look: Callable[[], T], *, within: float = 5.0, every: float = 0.02) -> T: ...
async def eventually(look: Callable[[], T | Awaitable[T]], *, within: float = 5.0, every: float = 0.02) -> T:
    """Return the first true answer of `look`; fail when `within` seconds have brought none.

    An assertion that fails inside `look` counts as "not yet", and is what is reported in the end.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        answer: T | None = None
        try:
            seen = look()
            answer = await seen if inspect.isawaitable(seen) else seen
        except AssertionError as error:
            failure = error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"Not within {within} s; last answer: {answer!r}")
        await asyncio.sleep(every)
