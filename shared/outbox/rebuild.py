"""Rebuilding state from the log: into a second schema while the old one answers, then swapped in one transaction.

Only state handlers run. Events that are parked, dead or discarded are left out, as the live consumer left them out;
one that the drain handles meanwhile is made up for before the swap.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import MetaData, make_url
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import EventBus, Record, TopicPartition
from shared.db import STATE_SCHEMA, Database, driver
from shared.outbox.batches import fresh
from shared.outbox.consumer import Kind
from shared.outbox.faults import sentence
from shared.outbox.handling import apply_batch
from shared.service import Runtime

NEXT_SCHEMA = f"{STATE_SCHEMA}_next"
OLD_SCHEMA = f"{STATE_SCHEMA}_old"
BATCH = 5_000
CLOSE = 5_000
"""How few records may be missing before the live consumer is paused for the rest."""

PROGRESS_S = 1.0

_STANDING = """
SELECT topic, partition, next_offset AS "offset", false AS parked FROM inbox WHERE consumer = $1
UNION ALL SELECT topic, partition, "offset", true FROM parked WHERE consumer = $1
"""
_PAUSE = "LOCK TABLE inbox IN EXCLUSIVE MODE"

Offsets = dict[TopicPartition, int]
Place = tuple[str, int, int]
Progress = Callable[[str], None]


class RebuildFailed(Exception):
    """The rebuild could not be finished; the old state is untouched."""


async def rebuild(runtime: Runtime, *, progress: Progress = lambda _line: None) -> int:
    """Make the state of `runtime.service` anew from the log and swap it in; return how much was read.

    The live consumer goes on meanwhile, and stands still only while the last few thousand records are read.
    """
    async with _alone(runtime.db), _next_database(runtime) as db:
        filling = Runtime(runtime.service, runtime.settings, db, runtime.bus, runtime.resources)
        work = _Rebuild(runtime, filling, progress)
        await work.catch_up()
        await work.fold()
        await work.swap()
        progress(f"{runtime.service.name}: {work.read:,} records read; the new state answers.")
    return work.read


class _Rebuild:
    """One rebuild: how far each partition was read, and what was left out on the way."""

    def __init__(self, live: Runtime, filling: Runtime, progress: Progress) -> None:
        self.live, self.filling, self.progress = live, filling, progress
        self.consumer = live.service.consumer.service
        self.bus: EventBus = live.bus
        self.read = 0
        self.tell_at = time.monotonic() + PROGRESS_S
        self.offsets: Offsets = {}
        self.positions: Offsets = {}
        self.left_out: dict[Place, Record] = {}

    async def catch_up(self) -> None:
        """Read up to where the live consumer was, again and again, until little is missing."""
        while True:
            async with self.live.db.transaction() as tx:
                limits, parked = await self._standing(driver(tx))
            before = self.read
            for partition, limit in sorted(limits.items()):
                await self._read_to(partition, limit, parked)
            if self.read - before < CLOSE:
                return

    async def fold(self) -> None:
        """Turn the clocks that work on state alone, so that the new figures are ready when they are swapped in."""
        for clock in self.live.service.clocks:
            while clock.of_state and await clock.turn(self.filling):
                pass

    async def swap(self) -> None:
        """Pause the live consumer, read to exactly its offsets, and put the new schema in the old one's place."""
        async with self.filling.db.transaction() as tx:
            raw = driver(tx)
            await raw.execute(_PAUSE)
            limits, parked = await self._standing(raw)
            drained = [record for place, record in self.left_out.items() if place not in parked]
            await self._apply(tx, drained)
            for partition, limit in sorted(limits.items()):
                await self._read_to(partition, limit, parked, tx)
            await tx.flush()
            await raw.execute(f"ALTER SCHEMA {STATE_SCHEMA} RENAME TO {OLD_SCHEMA}")
            await raw.execute(f"ALTER SCHEMA {NEXT_SCHEMA} RENAME TO {STATE_SCHEMA}")

    async def _standing(self, raw: asyncpg.Connection) -> tuple[Offsets, set[Place]]:
        """Return the live consumer's offsets and what it has parked: one statement, so both of one moment."""
        limits: Offsets = {}
        parked: set[Place] = set()
        for topic, partition, offset, is_parked in await raw.fetch(_STANDING, self.consumer):
            if is_parked:
                parked.add((topic, partition, offset))
            else:
                limits[TopicPartition(topic, partition)] = offset
        return limits, parked

    async def _read_to(
        self, partition: TopicPartition, limit: int, parked: set[Place], tx: AsyncSession | None = None
    ) -> None:
        """Read a partition up to `limit`, as the live consumer did; in `tx`, or a transaction a batch."""
        offset = self.offsets.get(partition, 0)
        while offset < limit:
            records = [each for each in await self.bus.read(partition, offset, most=BATCH) if each.offset < limit]
            if not records:
                break
            new = fresh(records, self.positions.get(partition, -1))
            if new.gap:
                raise RebuildFailed(f"{partition}: {new.gap}")
            await self._apply(tx, self._without(new.records, parked))
            self.positions[partition], offset = new.position, records[-1].offset + 1
            self.read += len(records)
            self._tell()
        self.offsets[partition] = max(offset, limit)

    def _tell(self) -> None:
        """Say how far it is, at most once a second."""
        if time.monotonic() >= self.tell_at:
            self.progress(f"{self.consumer}: {self.read:,} records read")
            self.tell_at = time.monotonic() + PROGRESS_S

    def _without(self, records: Sequence[Record], parked: set[Place]) -> list[Record]:
        kept = []
        for record in records:
            place = (record.topic, record.partition, record.offset)
            if place in parked:
                self.left_out[place] = record
            else:
                kept.append(record)
        return kept

    async def _apply(self, tx: AsyncSession | None, records: Sequence[Record]) -> None:
        if not records:
            return
        try:
            if tx is not None:
                await apply_batch(tx, self.filling, records, kinds=(Kind.STATE,))
            else:
                async with self.filling.db.transaction() as own:
                    await apply_batch(own, self.filling, records, kinds=(Kind.STATE,))
        except Exception as error:
            first, last = records[0], records[-1]
            span = f"{first.topic}/{first.partition} from {first.offset} to {last.offset}"
            raise RebuildFailed(f"A handler failed on {span}: {sentence(error)}. The old state stands.") from error


@asynccontextmanager
async def _alone(db: Database) -> AsyncIterator[None]:
    """Refuse a second rebuild beside this one."""
    async with db.connection() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('peyvand.rebuild'))"):
            raise RebuildFailed("Another rebuild of this service is at work.")
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtext('peyvand.rebuild'))")


@asynccontextmanager
async def _next_database(runtime: Runtime) -> AsyncIterator[Database]:
    """Lend the database as the role that may make tables, with a fresh schema in the place of the state's."""
    settings = runtime.settings
    url = settings.migration_database_url or runtime.db.url
    db = Database(url, pool_size=3, name=f"{runtime.service.name} rebuild", state_schema=NEXT_SCHEMA)
    try:
        async with db.connection() as connection:
            await connection.execute(f"DROP SCHEMA IF EXISTS {OLD_SCHEMA} CASCADE")
            await connection.execute(f"DROP SCHEMA IF EXISTS {NEXT_SCHEMA} CASCADE")
            await connection.execute(f"CREATE SCHEMA {NEXT_SCHEMA}")
        await _create_tables(db, runtime.service.metadata)
        await _grant(db, make_url(runtime.db.url).username)
        yield db
        async with db.connection() as connection:
            await connection.execute(f"DROP SCHEMA IF EXISTS {OLD_SCHEMA} CASCADE")
    finally:
        await db.close()


async def _create_tables(db: Database, metadata: MetaData) -> None:
    tables = [table for table in metadata.sorted_tables if table.schema == STATE_SCHEMA]
    async with db.engine.connect() as connection:
        await connection.run_sync(lambda sync: metadata.create_all(sync, tables=tables, checkfirst=False))


async def _grant(db: Database, role: str | None) -> None:
    """Let the service's own role use what another role made."""
    if role is None or role == make_url(db.url).username:
        return
    async with db.connection() as connection:
        quoted = await connection.fetchval("SELECT quote_ident($1)", role)
        await connection.execute(f"GRANT USAGE ON SCHEMA {NEXT_SCHEMA} TO {quoted}")
        await connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {NEXT_SCHEMA} TO {quoted}")
        await connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {NEXT_SCHEMA} TO {quoted}")
