"""The local bus: a log by topic and partition in a PostgreSQL database of its own, kept as Kafka would keep it.

Appending locks the partition's head, so offsets become visible in order. Consumers' members are told apart by a row
each with a heartbeat; while two of them believe to own a partition, the inbox row decides, as on Kafka.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakSet

import asyncpg
import orjson

from shared.bus.local_subscription import POLL_S, LocalSubscription
from shared.bus.protocol import BusUnavailable, Record, Start, TopicPartition
from shared.clock import utcnow
from shared.ids import plain

STOPPED_AFTER = "5s"
"""After how long the server breaks off what a process began that was stopped: it would hold partitions' heads.

It counts between two statements and, while heads are held, within one: a COPY waits for its rows.
"""

TOMBSTONES_KEPT = timedelta(hours=24)
"""How long a compacted topic keeps the record that says a key is gone."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (
    topic text PRIMARY KEY,
    compacted boolean NOT NULL
);
CREATE TABLE IF NOT EXISTS heads (
    topic text NOT NULL REFERENCES topics ON DELETE CASCADE,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS log (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key uuid NOT NULL,
    headers json NOT NULL,
    body bytea,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE TABLE IF NOT EXISTS members (
    consumer text NOT NULL,
    member uuid NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, member)
);
CREATE TABLE IF NOT EXISTS commits (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
);
CREATE INDEX IF NOT EXISTS ix_log_key ON log (topic, partition, key);
CREATE INDEX IF NOT EXISTS ix_log_tombstones ON log (topic, sent_at) WHERE body IS NULL;
"""

_LOCK_SCHEMA = "SELECT pg_advisory_xact_lock(hashtext('peyvand.local_bus.schema'))"

_LOCK_HEADS = f"""
SELECT h.topic, h.partition, h.next_offset, t.compacted FROM heads h JOIN topics t USING (topic),
    (SELECT set_config('statement_timeout', '{STOPPED_AFTER}', true)) AS timely
WHERE (h.topic, h.partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
ORDER BY h.topic, h.partition FOR UPDATE OF h
"""
_MOVE_HEADS = """
UPDATE heads SET next_offset = next_offset + new.count
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS new(topic, partition, count)
WHERE heads.topic = new.topic AND heads.partition = new.partition
"""
_COMPACT = """
DELETE FROM log USING unnest($1::text[], $2::integer[], $3::uuid[], $4::bigint[]) AS last(topic, partition, key, place)
WHERE log.topic = last.topic AND log.partition = last.partition AND log.key = last.key AND log."offset" < last.place
"""
_DROP_TOMBSTONES = """
DELETE FROM log WHERE topic = ANY($1::text[]) AND body IS NULL AND sent_at < $2
"""
_COLUMNS = ("topic", "partition", "offset", "key", "headers", "body", "sent_at")
_READ = """
SELECT l.topic, l.partition, l."offset", l.key, l.headers, l.body, l.sent_at
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS want(topic, partition, first)
CROSS JOIN LATERAL (
    SELECT * FROM log WHERE log.topic = want.topic AND log.partition = want.partition AND log."offset" >= want.first
    ORDER BY log."offset" LIMIT $4
) l ORDER BY l.topic, l.partition, l."offset"
"""

Row = tuple[str, int, int, UUID, str, bytes | None, datetime]

_subscriptions: defaultdict[str, WeakSet[asyncio.Event]] = defaultdict(WeakSet)
"""Subscriptions of this process by the bus's address, to wake when something was appended."""


class LocalBus:
    """The log in the database at `url`. Connects when first used.

    Subscriptions are woken by appends of their own process; others they find by looking every `poll_s`.
    """

    def __init__(self, url: str, *, poll_s: float = POLL_S) -> None:
        self.url, self.poll_s = url, poll_s
        self.connects = 0
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def migrate(self) -> None:
        """Make the tables of the log where they do not exist."""
        async with self.transaction() as connection:
            await connection.execute(_LOCK_SCHEMA)
            await connection.execute(SCHEMA)

    async def create_topics(self, topics: Mapping[str, bool], *, partitions: int) -> None:
        """Make the tables, and the topics that do not exist."""
        await self.migrate()
        async with self.transaction() as connection:
            await connection.executemany(
                "INSERT INTO topics VALUES ($1, $2) ON CONFLICT DO NOTHING", sorted(topics.items())
            )
            await connection.executemany(
                "INSERT INTO heads (topic, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [(topic, partition) for topic in sorted(topics) for partition in range(partitions)],
            )

    async def check_topics(self, topics: Mapping[str, bool], *, partitions: int) -> list[str]:
        """Return a sentence for every topic that is missing or was made otherwise."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT topic, compacted, count(*) AS partitions FROM topics JOIN heads USING (topic) GROUP BY topic"
            )
        found = {row["topic"]: row for row in rows}
        faults = [f"Topic {topic} does not exist." for topic in topics if topic not in found]
        for topic in topics.keys() & found.keys():
            if found[topic]["compacted"] != topics[topic]:
                faults.append(f"Topic {topic} is {'not ' if topics[topic] else ''}compacted.")
            if found[topic]["partitions"] != partitions:
                faults.append(f"Topic {topic} has {found[topic]['partitions']} partitions, not {partitions}.")
        return faults

    async def send(self, records: Sequence[Record]) -> None:
        """Append records under the locks of their partitions' heads, in one transaction."""
        if not records:
            return
        async with self.transaction() as connection:
            heads = await _lock_heads(connection, records)
            rows = _rows(records, {partition: head["next_offset"] for partition, head in heads.items()})
            await connection.copy_records_to_table("log", records=rows, columns=_COLUMNS)
            await _compact(connection, [row for row in rows if heads[TopicPartition(row[0], row[1])]["compacted"]])
        for awake in _subscriptions[self.url]:
            awake.set()

    async def subscribe(self, consumer: str, topics: Collection[str], start: Start) -> LocalSubscription:
        """Join the members of `consumer`."""
        awake = asyncio.Event()
        _subscriptions[self.url].add(awake)
        return LocalSubscription(self, consumer, topics, start, awake)

    async def read(self, partition: TopicPartition, offset: int, *, most: int) -> Sequence[Record]:
        """Return up to `most` records of a partition from `offset` on."""
        return (await self.read_many({partition: offset}, most=most)).get(partition, [])

    async def read_many(
        self, offsets: Mapping[TopicPartition, int], *, most: int
    ) -> dict[TopicPartition, list[Record]]:
        """Return up to `most` records of each of several partitions."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                _READ,
                [partition.topic for partition in offsets],
                [partition.partition for partition in offsets],
                list(offsets.values()),
                most,
            )
        found: dict[TopicPartition, list[Record]] = {}
        for topic, partition, offset, key, headers, body, sent_at in rows:
            record = Record(topic, partition, plain(key), orjson.loads(headers), body, offset, sent_at.timestamp())
            found.setdefault(TopicPartition(topic, partition), []).append(record)
        return found

    async def bounds(self, topics: Collection[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return the first offset (always 0) and the one after the last of every partition."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT topic, partition, next_offset FROM heads WHERE topic = ANY($1::text[])", list(topics)
            )
        return {TopicPartition(topic, partition): (0, end) for topic, partition, end in rows}

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of partitions that exist."""
        bounds = await self.bounds({each.topic for each in partitions})
        return {each: bounds[each][1] for each in partitions if each in bounds}

    async def committed(self, consumer: str) -> Mapping[TopicPartition, int]:
        """Return the offsets that `consumer` last committed."""
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT topic, partition, next_offset FROM commits WHERE consumer = $1", consumer
            )
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    async def ping(self) -> None:
        """Raise `BusUnavailable` if the database does not answer."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection; the database's absence is a `BusUnavailable`."""
        try:
            pool = await self._open()
            async with pool.acquire(timeout=10) as connection:
                yield connection
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise BusUnavailable(f"The local bus does not answer: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection inside a transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url,
                    min_size=0,
                    max_size=4,
                    timeout=5,
                    command_timeout=30,
                    init=self._count_connect,
                    server_settings={
                        "application_name": "peyvand bus",
                        "timezone": "UTC",
                        "idle_in_transaction_session_timeout": STOPPED_AFTER,
                    },
                )
            return self._pool

    async def _count_connect(self, _connection: asyncpg.Connection) -> None:
        self.connects += 1


async def _lock_heads(
    connection: asyncpg.pool.PoolConnectionProxy, records: Sequence[Record]
) -> dict[TopicPartition, asyncpg.Record]:
    counts = Counter(TopicPartition(record.topic, record.partition) for record in records)
    topics, partitions = [partition.topic for partition in counts], [partition.partition for partition in counts]
    rows = await connection.fetch(_LOCK_HEADS, topics, partitions)
    heads = {TopicPartition(row["topic"], row["partition"]): row for row in rows}
    if missing := counts.keys() - heads.keys():
        raise BusUnavailable(f"There is no partition {', '.join(map(str, sorted(missing)))}; `peyvand topics make`.")
    await connection.execute(_MOVE_HEADS, topics, partitions, list(counts.values()))
    return heads


def _rows(records: Sequence[Record], offsets: dict[TopicPartition, int]) -> list[Row]:
    now, rows = utcnow(), list[Row]()
    for record in records:
        partition = TopicPartition(record.topic, record.partition)
        headers = orjson.dumps(record.headers).decode()
        rows.append((*partition, offsets[partition], record.key, headers, record.body, now))
        offsets[partition] += 1
    return rows


async def _compact(
    connection: asyncpg.pool.PoolConnectionProxy,
    rows: Sequence[Row],
) -> None:
    """Keep the last row a key of what was appended to compacted topics, and drop old tombstones."""
    if not rows:
        return
    last = {(topic, partition, key): offset for topic, partition, offset, key, *_ in rows}
    topics, partitions, keys = zip(*last, strict=True)
    await connection.execute(_COMPACT, list(topics), list(partitions), list(keys), list(last.values()))
    await connection.execute(_DROP_TOMBSTONES, sorted(set(topics)), utcnow() - TOMBSTONES_KEPT)
