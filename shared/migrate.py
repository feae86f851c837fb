"""Migrations: the machinery's branch and the service's own, applied together to one database."""

from __future__ import annotations

import asyncio
import io
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.db import STATE_SCHEMA
from shared.errors import Unavailable
from shared.service import Service

MACHINERY = Path(__file__).parent / "migrations"
LOCK = 7_301_844_021
"""Advisory lock that lets one process migrate a database at a time."""

LOCK_WAIT_S = 2
ATTEMPTS = 30
LOCK_NOT_AVAILABLE = "55P03"


class MigrationError(Exception):
    """The database does not fit the code; the message says how."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is migrated: a connection, and the tables it should have afterwards."""

    connection: Connection
    metadata: MetaData

    def owns(self, name: str | None, kind: str, _parents: Any) -> bool:
        """Say whether autogenerate looks at a thing: our two schemas, without what only the code before still uses."""
        if kind == "table":
            return name not in self.metadata.info.get("retired", ())
        return name in {None, "public", STATE_SCHEMA} if kind == "schema" else True


async def migrate(service: Service, url: str, revision: str = "heads") -> None:
    """Bring a service's database to the newest version; several processes may call it at once.

    A change that waits for a busy table makes everybody after it wait too, so it gives up soon, and tries again.
    Raises `Unavailable` where the database cannot be reached.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await _run(service, url, lambda config: command.upgrade(config, revision))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(LOCK_WAIT_S)
        else:
            return


async def check(service: Service, url: str) -> None:
    """Raise `MigrationError` if the models say other tables than the migrations made."""

    def compare(config: Config) -> None:
        try:
            command.check(config)
        except CommandError as error:
            raise MigrationError(f"{service.name}: {error}") from error

    await _run(service, url, compare)


async def revise(service: Service, url: str, message: str) -> None:
    """Write a migration that takes a migrated database to what the models say now."""
    await _run(
        service,
        url,
        lambda config: command.revision(
            config,
            message,
            autogenerate=True,
            head=f"{service.name}@head",
            version_path=str(service.migrations / "versions"),
        ),
    )


async def _run(service: Service, url: str, work: Any) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    try:
        async with aclosing(await _connected(engine, service)) as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.execute(text(f"SET lock_timeout = '{LOCK_WAIT_S}s'"))
            await connection.commit()
            try:
                await connection.run_sync(lambda sync: work(_config(service, sync)))
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
    finally:
        await engine.dispose()


async def _connected(engine: AsyncEngine, service: Service) -> AsyncConnection:
    try:
        return await engine.connect()
    except (OSError, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database of {service.name} cannot be reached: {error}") from error


def _config(service: Service, connection: Connection) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(MACHINERY))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{MACHINERY / 'versions'}\n{service.migrations / 'versions'}")
    config.attributes["target"] = Target(connection, service.metadata)
    return config
