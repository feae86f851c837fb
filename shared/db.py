"""Databases: one pool a process and service, and transactions that serve the ORM and written SQL alike.

The transaction belongs to asyncpg, and SQLAlchemy runs its statements inside it: the engine is in AUTOCOMMIT mode,
so it emits no BEGIN or COMMIT of its own. So `driver(tx)` may be used for hot paths beside the session at any time,
and a nested `driver(tx).transaction()` is a savepoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import MetaData, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

STATE_SCHEMA = "state"
"""Schema of what state handlers keep (copies and figures), which a rebuild throws away and makes anew."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BeforeCommit = Callable[[AsyncSession], Awaitable[None]]


def new_metadata() -> MetaData:
    """Return the metadata a service declares its tables in, with Peyvand's names for constraints."""
    return MetaData(naming_convention=NAMING)


class Database:
    """A service's database: a pool, and transactions from it.

    `state_schema` is where unqualified names of state tables are found, and what `schema="state"` in models means:
    a rebuild opens a `Database` whose `state_schema` is the one being filled.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, name: str = "peyvand", state_schema: str = STATE_SCHEMA
    ) -> None:
        self.url = url
        self.events_written = asyncio.Event()
        self.engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_reset_on_return=None,
            execution_options={"schema_translate_map": {STATE_SCHEMA: state_schema}}
            if state_schema != STATE_SCHEMA
            else {},
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": name,
                    "search_path": f"public,{state_schema}",
                    "timezone": "UTC",
                },
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction: committed at the end of the block, rolled back if the block raises."""
        async with self.engine.connect() as connection:
            async with transaction_on(connection) as tx:
                yield tx
            if tx.info.get("wrote_events"):
                self.events_written.set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a driver connection outside any transaction, for statements that stand alone."""
        async with self.engine.connect() as connection:
            yield await _driver_of(connection)

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()


@asynccontextmanager
async def transaction_on(connection: AsyncConnection) -> AsyncIterator[AsyncSession]:
    """Open a transaction on `connection`; inside an open one it is a savepoint."""
    raw = await _driver_of(connection)
    async with raw.transaction():
        tx = AsyncSession(bind=connection, expire_on_commit=False)
        tx.info["driver"] = raw
        try:
            yield tx
            await _flush(tx)
            for hook in tx.info.get("before_commit", ()):
                await hook(tx)
        finally:
            await _close(tx)


async def _flush(tx: AsyncSession) -> None:
    if tx.new or tx.dirty or tx.deleted:
        await tx.flush()


async def _close(tx: AsyncSession) -> None:
    """Close a session; one that only lent its driver connection has nothing that would need the loop."""
    if tx.in_transaction():
        await tx.close()
    else:
        tx.sync_session.close()


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed: a restart would else leave it dead for ever."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def driver(tx: AsyncSession) -> asyncpg.Connection:
    """Return the driver connection that `tx` runs on, inside its transaction."""
    return cast("asyncpg.Connection", tx.info["driver"])


def before_commit(tx: AsyncSession, hook: BeforeCommit) -> None:
    """Run `hook` once, after the session's last flush and before the commit."""
    hooks = tx.info.setdefault("before_commit", [])
    if hook not in hooks:
        hooks.append(hook)


async def _driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    return cast("asyncpg.Connection", raw.driver_connection)
