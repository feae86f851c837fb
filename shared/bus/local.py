"""The local bus: a log by topic and partition in a PostgreSQL database of its own, kept as Kafka would keep it.

Appending locks the partition's head, so offsets become visible in order. It is one statement, a function: a process
that is stopped in its midst holds up nobody. Consumers' members are told apart by a row each with a heartbeat; while
two of them believe to own a partition, the inbox row decides, as on Kafka.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID
from weakref import WeakSet

import asyncpg
import orjson

from shared.bus.local_subscription import POLL_S, LocalSubscription
from shared.bus.protocol import BusUnavailable, Record, Start, TopicPartition
from shared.clock import utcnow
from shared.ids import plain

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

CREATE OR REPLACE FUNCTION append(
    of_topics text[], of_partitions integer[], keys uuid[], of_headers json[], bodies bytea[],
    now_at timestamptz, tombstones_until timestamptz
) RETURNS SETOF text LANGUAGE plpgsql AS $append$
DECLARE
    to_compact text[];
BEGIN
    PERFORM FROM heads h WHERE (h.topic, h.partition) IN (SELECT * FROM unnest(of_topics, of_partitions))
    ORDER BY h.topic, h.partition FOR UPDATE;

    RETURN QUERY SELECT DISTINCT r.topic || '-' || r.partition
    FROM unnest(of_topics, of_partitions) r (topic, partition)
    WHERE NOT EXISTS (SELECT FROM heads h WHERE h.topic = r.topic AND h.partition = r.partition) ORDER BY 1;
    IF FOUND THEN
        RETURN;
    END IF;

    INSERT INTO log (topic, partition, "offset", key, headers, body, sent_at)
    SELECT r.topic, r.partition,
        h.next_offset - 1 + row_number() OVER (PARTITION BY r.topic, r.partition ORDER BY r.place),
        r.key, r.headers, r.body, now_at
    FROM unnest(of_topics, of_partitions, keys, of_headers, bodies) WITH ORDINALITY
        r (topic, partition, key, headers, body, place)
    JOIN heads h ON h.topic = r.topic AND h.partition = r.partition;

    UPDATE heads h SET next_offset = h.next_offset + r.count
    FROM (SELECT topic, partition, count(*) FROM unnest(of_topics, of_partitions) a (topic, partition) GROUP BY 1, 2) r
    WHERE h.topic = r.topic AND h.partition = r.partition;

    SELECT array_agg(t.topic) INTO to_compact FROM topics t WHERE t.compacted AND t.topic = ANY (of_topics);
    IF to_compact IS NOT NULL THEN
        DELETE FROM log l USING (
            SELECT k.topic, k.partition, k.key, max(k."offset") AS last
            FROM unnest(of_topics, of_partitions, keys) r (topic, partition, key)
            JOIN log k ON k.topic = r.topic AND k.partition = r.partition AND k.key = r.key
            WHERE r.topic = ANY (to_compact) GROUP BY 1, 2, 3
        ) newest
        WHERE l.topic = newest.topic AND l.partition = newest.partition AND l.key = newest.key
            AND l."offset" < newest.last;
        DELETE FROM log l WHERE l.topic = ANY (to_compact) AND l.body IS NULL AND l.sent_at < tombstones_until;
    END IF;
END
$append$;
"""

_LOCK_SCHEMA = "SELECT pg_advisory_xact_lock(hashtext('peyvand.local_bus.schema'))"

_APPEND = "SELECT append($1::text[], $2::integer[], $3::uuid[], $4::json[], $5::bytea[], $6, $7)"
_READ = """
SELECT l.topic, l.partition, l."offset", l.key, l.headers, l.body, l.sent_at
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS want(topic, partition, first)
CROSS JOIN LATERAL (
    SELECT * FROM log WHERE log.topic = want.topic AND log.partition = want.partition AND log."offset" >= want.first
    ORDER BY log."offset" LIMIT $4
) l ORDER BY l.topic, l.partition, l."offset"
"""

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
        """Append records, all or none."""
        if not records:
            return
        now = utcnow()
        columns = zip(*map(_values, records), strict=True)
        async with self.connection() as connection:
            missing = await connection.fetch(_APPEND, *map(list, columns), now, now - TOMBSTONES_KEPT)
        if missing:
            raise BusUnavailable(
                f"There is no partition {', '.join(row[0] for row in missing)}; `peyvand topics make`."
            )
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
                    },
                )
            return self._pool

    async def _count_connect(self, _connection: asyncpg.Connection) -> None:
        self.connects += 1


def _values(record: Record) -> tuple[str, int, UUID, str, bytes | None]:
    return record.topic, record.partition, record.key, orjson.dumps(record.headers).decode(), record.body
