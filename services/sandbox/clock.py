"""The sandbox's clock: ends deliveries that are due and makes webhook calls that are due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import structlog

from services.sandbox import calls, messages
from services.sandbox.sandbox import Sandbox
from shared.clock import utcnow

EVERY_S = 0.2
CALL_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[None]:
    """Turn the clock for the length of the block: one task for deliveries, one for calls, which may be slow."""
    async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S) as client:
        tasks = [
            asyncio.create_task(_deliveries(sandbox), name="sandbox deliveries"),
            asyncio.create_task(_calls(sandbox, client), name="sandbox webhooks"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _deliveries(sandbox: Sandbox) -> None:
    while True:
        try:
            async with sandbox.transaction() as connection:
                ended = await messages.deliver_due(connection, now=utcnow())
        except Exception:
            log.exception("sandbox.delivery_failed")
            ended = 0
        if ended:
            sandbox.changed()
        else:
            await asyncio.sleep(EVERY_S)


async def _calls(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    while True:
        try:
            made = await calls.make_due(sandbox, client)
        except Exception:
            log.exception("sandbox.calls_failed")
            made = 0
        if not made:
            sandbox.wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await sandbox.wake.wait()
