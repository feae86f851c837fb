"""What a request works with: its service's runtime, and its one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated, cast

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from shared.service import Runtime

_OPENED = "peyvand.transaction"
_ENDINGS = "peyvand.endings"


def runtime_of(request: Request) -> Runtime:
    """Return the runtime that the request's app was made with."""
    return cast("Runtime", request.app.state.runtime)


def end_with(request: Request, endings: AsyncExitStack) -> None:
    """Say what ends before the answer is sent; a transaction that is opened later commits there."""
    request.scope[_ENDINGS] = endings


async def _runtime(request: Request) -> Runtime:
    return runtime_of(request)


async def transaction_of(request: Request) -> AsyncSession:
    """Return the request's transaction, opened at the first call and committed before the answer is sent.

    No generator with a scope of its own: FastAPI takes twice as long to enter and leave one.
    """
    tx: AsyncSession | None = request.scope.get(_OPENED)
    if tx is None:
        endings: AsyncExitStack = request.scope[_ENDINGS]
        tx = await endings.enter_async_context(runtime_of(request).db.transaction())
        request.scope[_OPENED] = tx
    return tx


async def _transaction(request: Request) -> AsyncSession:
    return await transaction_of(request)


async def _opening(request: Request) -> Callable[[], Awaitable[AsyncSession]]:
    return partial(transaction_of, request)


async def _reading(request: Request) -> asyncpg.Connection:
    """Return a driver's connection outside any transaction: each statement sees what is committed when it begins.

    So it would within a transaction of READ COMMITTED too, which costs two round trips more.
    """
    endings: AsyncExitStack = request.scope[_ENDINGS]
    return await endings.enter_async_context(runtime_of(request).db.connection())


SOLVED = frozenset({_runtime, _transaction, _opening, _reading})
"""What may be had from the request alone."""

RuntimeDep = Annotated[Runtime, Depends(_runtime)]
Tx = Annotated[AsyncSession, Depends(_transaction)]
Opening = Annotated[Callable[[], Awaitable[AsyncSession]], Depends(_opening)]
"""For routes that do not always need their transaction: opens it."""
Reading = Annotated[asyncpg.Connection, Depends(_reading)]
"""For routes that only read, by written SQL."""
