"""One throw-away PostgreSQL server for the whole run, and a fresh database for every test, cloned from a template."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from services.postgres import THROWAWAY, EmbeddedPostgres
from shared.ids import new_id

SOCKET_DIR = "PEYVAND_TEST_POSTGRES"
FOLDER = "PEYVAND_TEST_FOLDER"
"""Environment variables by which the process that started the server tells the test workers where things are."""

MEMORY, ROOM = Path("/dev/shm"), 2 << 30
"""Where files are in memory, and how many bytes have to be free there: a database is 300 files to make and remove."""

_NOBODY_CAME = "SELECT sessions + numbackends = 0 FROM pg_stat_database WHERE datname = $1"

Migrate = Callable[[str], Awaitable[None]]


class TestServer:
    """The server; started by the first process of a run, joined by its workers."""

    __test__ = False

    def __init__(self, options: Mapping[str, str] = THROWAWAY) -> None:
        self.owned: EmbeddedPostgres | None = None
        self.folder: Path | None = None
        self._untouched: defaultdict[str, list[str]] = defaultdict(list)
        if SOCKET_DIR not in os.environ:
            place = _memory() if options is THROWAWAY else None
            self.folder = Path(tempfile.mkdtemp(prefix="peyvand-test-", dir=place))
            self.owned = EmbeddedPostgres(self.folder / "postgres", options)
            self.owned.start()
            os.environ[SOCKET_DIR] = str(self.owned.socket_dir)
            os.environ[FOLDER] = str(self.folder)

    @staticmethod
    def url(database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={os.environ[SOCKET_DIR]}"

    @staticmethod
    def shared_folder() -> Path:
        """Return a folder that all processes of the run share, removed at its end."""
        return Path(os.environ[FOLDER])

    def stop(self) -> None:
        if self.owned is not None and self.folder is not None:
            self.owned.stop()
            del os.environ[SOCKET_DIR], os.environ[FOLDER]
            shutil.rmtree(self.folder, ignore_errors=True)

    @asynccontextmanager
    async def database(self, template: str, migrate: Migrate) -> AsyncIterator[str]:
        """Lend a database as `migrate` makes it; it is dropped afterwards, whoever is still connected."""
        name = f"t_{new_id().hex}"
        connection = await asyncpg.connect(self.url())
        try:
            await self._ensure_template(connection, template, migrate)
            await self._make(connection, name, template)
            yield self.url(name)
        finally:
            if await connection.fetchval(_NOBODY_CAME, name):
                self._untouched[template].append(name)
            else:
                await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await connection.close()

    async def _make(self, connection: asyncpg.Connection, name: str, template: str) -> None:
        """Clone a template, or rename a clone that nobody ever connected to, as to the bus of most tests of an API."""
        if untouched := self._untouched[template]:
            await connection.execute(f"ALTER DATABASE {untouched.pop()} RENAME TO {name}")
        else:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")

    async def _ensure_template(self, connection: asyncpg.Connection, template: str, migrate: Migrate) -> None:
        known = "SELECT datistemplate FROM pg_database WHERE datname = $1"
        if await connection.fetchval(known, template):
            return
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", template)
        try:
            if not await connection.fetchval(known, template):
                await connection.execute(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")
                await connection.execute(f"CREATE DATABASE {template}")
                await migrate(self.url(template))
                await connection.execute(f"ALTER DATABASE {template} IS_TEMPLATE true")
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", template)


def _memory() -> Path | None:
    """Return a folder whose files are in memory, or `None` where it has no room to spare."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None
