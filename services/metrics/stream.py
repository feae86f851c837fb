"""Telling open dashboards that figures changed: one look at the folder's turn for all of a process's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.db import Database
from shared.service import Runtime

LOOK_EVERY_S = 0.25
PAUSE_AFTER_FAILURE_S = 2.0

log = structlog.get_logger("peyvand.metrics")


class Changes:
    """The turn of the folder that figures are of, watched while somebody listens."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changed = asyncio.Condition()
        self._turn: int | None = None
        self._listeners = 0
        self._watch: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncGenerator[int]:
        """Give the present turn, and each later one that is seen; several in a row are one."""
        self._listeners += 1
        if self._watch is None:
            self._watch = asyncio.create_task(self._look())
        known: int | None = None
        try:
            while True:
                known = await self._other_than(known)
                yield known
        finally:
            self._listeners -= 1
            if not self._listeners:
                await self.close()

    async def _other_than(self, known: int | None) -> int:
        async with self._changed:
            while self._turn is None or self._turn == known:
                await self._changed.wait()
            return self._turn

    async def close(self) -> None:
        """Stop looking."""
        watch, self._watch, self._turn = self._watch, None, None
        if watch is not None:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _look(self) -> None:
        while True:
            try:
                turn = await self._read()
            except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("figures_not_watched", error=str(error))
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
                continue
            if turn != self._turn:
                async with self._changed:
                    self._turn = turn
                    self._changed.notify_all()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read(self) -> int:
        async with self._db.connection() as connection:
            return int(await connection.fetchval("SELECT coalesce(max(turn), 0) FROM folded_under"))


@asynccontextmanager
async def open_changes(runtime: Runtime) -> AsyncIterator[Changes]:
    """Lend the changes that a process's streams follow."""
    changes = Changes(runtime.db)
    try:
        yield changes
    finally:
        await changes.close()
