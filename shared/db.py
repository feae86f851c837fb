"""Databases: one pool a process and service, and transactions that serve the ORM and written SQL alike.

The transaction is begun on asyncpg's connection, and SQLAlchemy runs its statements inside it: the engine is in
AUTOCOMMIT mode, so it emits no BEGIN or COMMIT of its own. So `driver(tx)` may be used for hot paths beside the session
at any time; what is nested is a `savepoint`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self, cast

import asyncpg
from sqlalchemy import Connection, MetaData, event
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

_savepoints = count()

STOPPED_MS = "60000"
"""How long a transaction may rest between two statements until the server ends it.

Who is stopped amid one keeps its locks.
"""

CLIENT_GONE_MS = "500"
"""How often the server looks, amid a statement, whether we are still there: what nobody waits for holds no locks."""

REFUSAL_COUNTS_S = 5.0
"""For how long after a write was refused readiness says so."""

_NO_WRITES = {"53100": "the disk is full", "25006": "it takes no writes (read-only)"}

_LOST = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError, OSError)

BeforeCommit = Callable[[AsyncSession], Awaitable[None]]


def new_metadata(*, retired: Collection[str] = ()) -> MetaData:
    """Return the metadata a service declares its tables in, with Peyvand's names for constraints.

    `retired` tables are those that only the code before uses: they stay until a later migration takes them away.
    """
    return MetaData(naming_convention=NAMING, info={"retired": frozenset(retired)})


class Database:
    """A service's database: a pool, and transactions from it.

    `state_schema` is where unqualified names of state tables are found, and what `schema="state"` in models means:
    a rebuild opens a `Database` whose `state_schema` is the one being filled. `connects` counts the connections made:
    behind a new one may be another database, restored from a copy.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, name: str = "peyvand", state_schema: str = STATE_SCHEMA
    ) -> None:
        self.url = url
        self.events_written = asyncio.Event()
        self.connects = 0
        self._refused = -REFUSAL_COUNTS_S, ""
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
                    "client_connection_check_interval": CLIENT_GONE_MS,
                    "idle_in_transaction_session_timeout": STOPPED_MS,
                },
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        event.listen(self.engine.sync_engine, "connect", self._count_connect)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction: committed at the end of the block, rolled back if the block raises."""
        async with self._lent() as connection:
            async with _transaction_on(connection) as tx:
                yield tx
            if tx.info.get("wrote_events"):
                self.events_written.set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a driver connection outside any transaction, for statements that stand alone."""
        async with self._lent() as connection:
            yield _driver_of(connection)

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection of the pool. One without work of SQLAlchemy's own goes back without a greenlet."""
        connection = await self._taken()
        try:
            yield connection
        except BaseException as error:
            self._note_refusal(error)
            if cuts_off(error) and not connection.invalidated:
                _driver_of(connection).terminate()
            raise
        finally:
            if connection.in_transaction() or connection.invalidated:
                await asyncio.shield(connection.close())
            else:
                cast("Connection", connection.sync_connection).close()

    async def _taken(self) -> AsyncConnection:
        """Take a connection of the pool; a `ConnectionError` however the way to the server is barred.

        A server that is stopped takes its socket away, a name may not resolve, a network be out of reach: each is an
        `OSError` of another kind, and none is told from a fault of our own once it has left this place.
        """
        try:
            return await self.engine.connect()
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            raise ConnectionError(f"The database cannot be reached: {error}") from error

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()

    def why_no_writes(self) -> str | None:
        """Say why the database took no writes a moment ago, although it answers; None where it takes them."""
        at, why = self._refused
        return why if time.monotonic() - at < REFUSAL_COUNTS_S else None

    def _note_refusal(self, error: BaseException) -> None:
        for seen in causes(error):
            if why := _NO_WRITES.get(getattr(seen, "sqlstate", None) or ""):
                self._refused = time.monotonic(), why

    def _count_connect(self, _connection: Any, _record: Any) -> None:
        self.connects += 1


@asynccontextmanager
async def part_of(tx: AsyncSession) -> AsyncIterator[AsyncSession]:
    """Open a part of a transaction with a session of its own: kept at the block's end, undone alone if it raises."""
    async with _transaction_on(cast("_LazySession", tx).lent) as part:
        yield part
    if part.info.get("wrote_events"):
        tx.info["wrote_events"] = True


@asynccontextmanager
async def _transaction_on(connection: AsyncConnection) -> AsyncIterator[AsyncSession]:
    """Open a transaction on `connection`; inside an open one it is a savepoint."""
    raw = _driver_of(connection)
    async with savepoint(raw) if raw.is_in_transaction() else _Transaction(raw):
        tx = _LazySession(connection)
        tx.info["driver"] = raw
        try:
            yield tx
            await flush(tx)
            for hook in tx.info.get("before_commit", ()):
                await hook(tx)
        finally:
            await _close(tx)


class _LazySession(AsyncSession):
    """A session that SQLAlchemy makes when it is first asked for anything: hot paths never ask (docs/adr/0020)."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.lent = connection
        self._info: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if self.is_made or name not in {"sync_session", "_proxied"}:
            raise AttributeError(name)
        super().__init__(bind=self.lent, expire_on_commit=False)
        return getattr(self, name)

    @property
    def info(self) -> dict[Any, Any]:
        return self._info

    @property
    def is_made(self) -> bool:
        return "sync_session" in self.__dict__


class _Transaction:
    """A transaction, or within one a savepoint: kept at the end of its block, undone if the block raises.

    Unlike with asyncpg's own, where a statement of ours or the block itself is cut off (cancelled, or the connection
    lost), nobody knows what the server has done: the connection is given up, for the next that gets
    it from the pool would be inside this transaction, and what it commits would be lost.
    """

    BEGIN, KEEP, UNDO = "BEGIN", "COMMIT", "ROLLBACK"

    def __init__(self, connection: asyncpg.Connection, name: str = "") -> None:
        self._connection = connection
        self._name = name

    async def start(self) -> None:
        await self._executed(self.BEGIN.format(self._name))

    async def commit(self) -> None:
        await self._executed(self.KEEP.format(self._name))

    async def rollback(self) -> None:
        await self._executed(self.UNDO.format(self._name))

    async def _executed(self, statement: str) -> None:
        try:
            await self._connection.execute(statement)
        except BaseException as error:
            if cuts_off(error):
                self._connection.terminate()
            raise

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            await self.commit()
        elif cuts_off(error):
            self._connection.terminate()
        elif not self._connection.is_closed():
            await self.rollback()


class Savepoint(_Transaction):
    """A part of a transaction that can be undone alone."""

    BEGIN, KEEP, UNDO = "SAVEPOINT {}", "RELEASE SAVEPOINT {}", "ROLLBACK TO {}"


def cuts_off(error: BaseException) -> bool:
    """Tell whether an error may leave a connection in the middle of something: it was cancelled, or lost.

    Of a transaction that was being committed nobody knows then whether it is. A connection that the server is about to
    close does not know it yet when it says so.
    """
    if not isinstance(error, Exception):
        return True
    return any(isinstance(e, _LOST) or getattr(e, "severity", None) in {"FATAL", "PANIC"} for e in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came of, out of SQLAlchemy's wrapping."""
    while error is not None:
        yield error
        error = getattr(error, "orig", None) or error.__cause__


def savepoint(connection: asyncpg.Connection) -> Savepoint:
    """Return a savepoint in the transaction that `connection` is in."""
    return Savepoint(connection, f"s{next(_savepoints)}")


async def flush(tx: AsyncSession) -> None:
    """Write what the session holds that is not written yet; costs nothing where that is nothing."""
    if isinstance(tx, _LazySession) and not tx.is_made:
        return
    if tx.new or tx.dirty or tx.deleted:
        await tx.flush()


async def _close(tx: _LazySession) -> None:
    """Close a session; one that only lent its driver connection has nothing that would need the loop."""
    if not tx.is_made:
        return
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


def _driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """Return the driver's connection of one that was lent; no greenlet, as it is connected already."""
    lent = cast("Connection", connection.sync_connection)
    return cast("asyncpg.Connection", lent.connection.driver_connection)
