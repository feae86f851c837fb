"""A PostgreSQL server of a test's own, which may be broken in every way that servers break."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Self

import asyncpg
import psutil

from services.postgres import DURABLE, EmbeddedPostgres
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.postgres import Migrate

SIZE = "64m"
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
BLOCK = bytes(64 * 1024)


class OwnServer:
    """The server; lends databases as the run's own server does. What it acknowledged outlives a restart."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(folder / "postgres", DURABLE | {"max_connections": "400"})

    @asynccontextmanager
    async def database(self, _template: str, migrate: Migrate) -> AsyncIterator[str]:
        """Lend a database as `migrate` makes it."""
        name = f"t_{new_id().hex}"
        await self.execute(f"CREATE DATABASE {name}")
        await migrate(self.postgres.url(name))
        yield self.postgres.url(name)

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def terminate_backends(self) -> None:
        """End every connection, as an operator or a failing proxy does."""
        await self.execute(TERMINATE)

    async def stop(self) -> None:
        await asyncio.to_thread(self.postgres.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.postgres.start)

    async def move(self, database: str, disk: SmallDisk) -> None:
        """Keep a database's tables on a small disk; the server's log stays where it is."""
        if self.postgres.user is not None:
            shutil.chown(disk.folder, self.postgres.user)
        await self.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
        await self.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false")
        await eventually(lambda: self._moved(database), within=60)
        await self.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true")

    async def _moved(self, database: str) -> bool:
        """Try once; a connection that was being made when they were forbidden stands in the way."""
        await self.terminate_backends()
        try:
            await self.execute(f"ALTER DATABASE {database} SET TABLESPACE small")
        except asyncpg.ObjectInUseError:
            return False
        return True

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let all its processes stand still for the length of the block."""
        first = int((self.postgres.data / "postmaster.pid").read_text().split()[0])
        processes = [psutil.Process(first), *psutil.Process(first).children(recursive=True)]
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class SmallDisk:
    """A file system of a few megabytes for a database's tables; raises `OSError` where none may be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filler = folder / "filler"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0777", "tmpfs", self.folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if mounted.returncode:
            raise OSError(mounted.stderr.strip())
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self) -> None:
        """Take every byte that is left."""
        with suppress(OSError), self.filler.open("ab") as filler:
            while True:
                filler.write(BLOCK)
                filler.flush()

    def empty(self) -> None:
        """Give back what `fill` took."""
        self.filler.unlink()
