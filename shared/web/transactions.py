"""What a request works with: its service's runtime, and its one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from shared.service import Runtime

OPENED = "peyvand.transaction"
"""Where a route that opened the request's transaction itself leaves it, in the ASGI scope."""


def runtime_of(request: Request) -> Runtime:
    """Return the runtime that the request's app was made with."""
    return cast("Runtime", request.app.state.runtime)


async def _runtime(request: Request) -> Runtime:
    return runtime_of(request)


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """Lend the transaction that the route opened, or open one that is committed before the answer is sent."""
    opened: AsyncSession | None = request.scope.get(OPENED)
    if opened is not None:
        yield opened
        return
    async with runtime_of(request).db.transaction() as tx:
        yield tx


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
Tx = Annotated[AsyncSession, Depends(_transaction, scope="function")]
