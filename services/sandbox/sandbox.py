"""What every part of the sandbox works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import Depends, Request

from services.sandbox.live import Live
from services.sandbox.settings import Settings
from shared.clock import utcnow
from shared.db import Database, driver


@dataclass(slots=True)
class Sandbox:
    """The running sandbox. `wake` tells the delivery clock that something may be due."""

    db: Database
    settings: Settings
    live: Live = field(default_factory=Live)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    def today(self) -> tuple[datetime, datetime]:
        """Return the first instants of today and tomorrow, as the panel counts days."""
        start = utcnow().astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return start, start + timedelta(days=1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a transaction; whoever watches the page is told after it."""
        async with self.db.transaction() as tx:
            yield driver(tx)

    def changed(self) -> None:
        """Show the change on the page, and let the clock look."""
        self.live.publish()
        self.wake.set()


def sandbox_of(request: Request) -> Sandbox:
    """Return the sandbox that serves `request`."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


SandboxDep = Annotated[Sandbox, Depends(sandbox_of)]
