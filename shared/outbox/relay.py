"""The relay: outbox rows become records, in order, with dense positions, each at least once.

A batch is stored before it is sent and deleted after, so whoever sends it again gives it the same positions. Every
step is a transaction that holds the lease's row. What commits late comes in a later batch. Whenever the database or the
log may be another one than before, restored from a copy, the two are compared first (`alignment`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from shared.bus import BusUnavailable, Record, TopicPartition
from shared.bus.partitions import partition_of
from shared.clock import utcnow
from shared.contracts.cards import CardVersion
from shared.db import driver
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.alignment import Alignment
from shared.outbox.lease import LEASE_S, hold, release
from shared.outbox.writing import CARD_TYPE
from shared.service import Runtime

BATCH_ROWS = 2_000
PARTITION_BYTES = 640 * 1024
"""Where a batch ends: one request to the broker carries at most 1 MiB of a partition, headers included."""

CARD_BYTES = 4_096
HEADER_BYTES = 640
"""What a card (read only when it is sent) and the headers of a record are taken to weigh."""

_PENDING = "SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM relay_batch)"
_OLDEST = "SELECT seq, topic, key, coalesce(octet_length(body), $2) AS size, type FROM outbox ORDER BY seq LIMIT $1"
_STORED = "SELECT seqs, partitions, positions FROM relay_batch"
_STORE = "INSERT INTO relay_batch (id, seqs, partitions, positions) VALUES (1, $1, $2, $3)"
_POSITIONS = """
SELECT topic, partition, position FROM relay_positions
WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
"""
_MOVE = """
INSERT INTO relay_positions SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET position = excluded.position
"""
_ROWS = """
SELECT seq, id, topic, type, key, subject, body, occurred_at, recorded_at, correlation_id, causation_id, traceparent
FROM outbox WHERE seq = ANY($1::bigint[]) ORDER BY seq
"""
_KEEP_CARDS = """
INSERT INTO relay_cards SELECT topic, key, max(seq) FROM outbox
WHERE seq = ANY($1::bigint[]) AND type = $2 GROUP BY topic, key ORDER BY topic, key
ON CONFLICT (topic, key) DO UPDATE SET version = greatest(relay_cards.version, excluded.version)
"""
_CARD_VERSIONS = "SELECT key, topic, version FROM relay_cards WHERE key = ANY($1::uuid[])"
_MADE_AGAIN = """
WITH again AS (
    DELETE FROM outbox USING lost_events WHERE outbox.id = lost_events.event_id AND seq = ANY($1::bigint[])
    RETURNING seq, outbox.id
), noted AS (UPDATE lost_events SET remade_at = $2 FROM again WHERE event_id = again.id)
SELECT seq FROM again
"""
_SENT = "DELETE FROM outbox WHERE seq = ANY($1::bigint[])"
_SETTLED = "DELETE FROM relay_batch WHERE seqs = $1 RETURNING true"


@dataclass(slots=True)
class Batch:
    """Rows of the outbox with the places they were given, and the records made of them."""

    seqs: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    cards_epoch: int = 0
    records: list[Record] = field(default_factory=list)


class Relay:
    """One relay of a service; any number may run, the lease lets one work."""

    def __init__(self, runtime: Runtime, *, lease_s: float = LEASE_S, rows: int = BATCH_ROWS) -> None:
        self.runtime, self.db, self.bus = runtime, runtime.db, runtime.bus
        self.service = runtime.service.name
        self.owner = new_id()
        self.lease_s, self.rows = lease_s, rows
        self.alignment = Alignment(runtime, self.owner, lease_s=lease_s)
        self._sent: Batch | None = None

    async def pending(self) -> bool:
        """Tell cheaply whether there is anything to do; writes nothing, so idling costs no log and no flush."""
        if self._sent is not None or self.alignment.doubtful:
            return True
        async with self.db.connection() as connection:
            return bool(await connection.fetchval(_PENDING))

    async def turn(self) -> int:
        """Settle the batch sent before, take the next, send it; return how many records were sent.

        Raises `LeaseLost` where another relay is at work, `BusUnavailable` where the batch stays to be sent again,
        `NotAligned` and `LogBehind` where the database or the log was restored.
        """
        batch = await self.take(settling=self._sent)
        self._sent = None
        if batch is None:
            await self.alignment.note_ends()
            return 0
        await self.send(batch)
        self._sent = batch
        return len(batch.records)

    async def take(self, settling: Batch | None = None) -> Batch | None:
        """In one transaction under the lease: delete what was sent, then load the stored batch or store the next."""
        if self.alignment.rested and not self.alignment.doubtful:
            await self.alignment.confirm()
        while True:
            if self.alignment.doubtful:
                await self.alignment.assure()
            async with self.db.transaction() as tx:
                lease = await hold(driver(tx), self.service, self.owner, self.lease_s)
                if not (lease.taken_over or self.alignment.doubtful):
                    return await self._take(driver(tx), settling, lease.cards_epoch)
            self.alignment.doubt()

    async def send(self, batch: Batch) -> None:
        """Send a batch within the time that the lease leaves."""
        try:
            async with asyncio.timeout(self.lease_s * 0.6):
                await self.bus.send(batch.records)
        except TimeoutError as error:
            self.alignment.doubt()
            raise BusUnavailable("The bus did not take a batch in time; it is sent again.") from error
        except BusUnavailable:
            self.alignment.doubt()
            raise
        self.alignment.trust()

    async def release(self) -> None:
        """Settle what was sent and let another relay begin at once."""
        async with self.db.transaction() as tx:
            if self._sent is not None and not self.alignment.doubtful:
                await hold(driver(tx), self.service, self.owner, self.lease_s)
                await _settle(driver(tx), self._sent)
            self._sent = None
            await release(driver(tx), self.service, self.owner)

    async def _take(self, connection: asyncpg.Connection, settling: Batch | None, cards_epoch: int) -> Batch | None:
        if settling is not None:
            await _settle(connection, settling)
        stored = await connection.fetchrow(_STORED)
        batch = Batch(*stored) if stored else await self._store_next(connection)
        if batch is not None:
            batch.cards_epoch = cards_epoch
            batch.records = await self._records(connection, batch)
        return batch

    async def _store_next(self, connection: asyncpg.Connection) -> Batch | None:
        rows = await connection.fetch(_OLDEST, self.rows, CARD_BYTES)
        if rows and self.alignment.any_lost:
            rows = await _new_only(connection, rows)
        if not rows:
            return None
        partitions = self.runtime.settings.partitions
        places = [TopicPartition(row["topic"], partition_of(row["key"], partitions)) for row in rows]
        fitting = _fitting(rows, places)
        rows, places = rows[:fitting], places[:fitting]
        batch = Batch([row["seq"] for row in rows], [place.partition for place in places])
        batch.positions = await _positions(connection, rows, places)
        await connection.execute(_STORE, batch.seqs, batch.partitions, batch.positions)
        return batch

    async def _records(self, connection: asyncpg.Connection, batch: Batch) -> list[Record]:
        rows = await connection.fetch(_ROWS, batch.seqs)
        place = dict(zip(batch.seqs, zip(batch.partitions, batch.positions, strict=True), strict=True))
        cards = await self._present_cards(connection, rows)
        needed = await self._needed_cards(connection, rows)
        source = f"/peyvand/{self.service}"
        records = []
        for row in rows:
            partition, position = place[row["seq"]]
            body = cards.get((row["topic"], row["key"])) if row["type"] == CARD_TYPE else row["body"]
            card = needed.get(row["key"]) if row["type"] != CARD_TYPE else None
            records.append(
                wire.record_of(
                    row, source=source, partition=partition, position=position, body=body, card=card,
                    cards_epoch=batch.cards_epoch,
                )
            )  # fmt: skip
        return records

    async def _needed_cards(
        self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]
    ) -> dict[UUID, CardVersion]:
        """Return the newest card of each key that goes out with these facts, or went out before them.

        A transaction writes cards before facts, so a fact's own card is never in a later batch than the fact.
        """
        if not self.runtime.service.card_readers:
            return {}
        await connection.execute(_KEEP_CARDS, [row["seq"] for row in rows], CARD_TYPE)
        keys = sorted({row["key"] for row in rows if row["type"] != CARD_TYPE})
        found = await connection.fetch(_CARD_VERSIONS, keys)
        return {row["key"]: CardVersion(row["topic"], row["version"]) for row in found}

    async def _present_cards(
        self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]
    ) -> dict[tuple[str, UUID], bytes]:
        """Read the cards as they are now: what was erased meanwhile has none, and goes out as a tombstone."""
        keys: defaultdict[str, set[UUID]] = defaultdict(set)
        for row in rows:
            if row["type"] == CARD_TYPE:
                keys[row["topic"]].add(row["key"])
        found: dict[tuple[str, UUID], bytes] = {}
        for topic, ids in keys.items():
            read = await self.runtime.service.card_readers[topic](connection, sorted(ids))
            found.update({(topic, key): card for key, card in read.items()})
        return found


def _fitting(rows: Sequence[asyncpg.Record], places: Sequence[TopicPartition]) -> int:
    """Return how many of the rows fit: the first that fills its partition's request ends the batch, but is one."""
    weight: Counter[TopicPartition] = Counter()
    for taken, (row, place) in enumerate(zip(rows, places, strict=True)):
        weight[place] += row["size"] + HEADER_BYTES
        if weight[place] > PARTITION_BYTES and taken:
            return taken
    return len(rows)


async def _settle(connection: asyncpg.Connection, sent: Batch) -> None:
    """Delete what was sent, if it still is the stored batch: in a restored database its numbers may be others'."""
    if await connection.fetchval(_SETTLED, sent.seqs):
        await connection.execute(_SENT, sent.seqs)


async def _new_only(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Take out of the outbox what a handler made again, with the same id, after a restore: the log holds it."""
    again = await connection.fetch(_MADE_AGAIN, [row["seq"] for row in rows], utcnow())
    passed = {row["seq"] for row in again}
    return [row for row in rows if row["seq"] not in passed]


async def _positions(
    connection: asyncpg.Connection, rows: Sequence[asyncpg.Record], places: Sequence[TopicPartition]
) -> list[int]:
    """Give each fact the next position of its partition.

    Cards get 0, as their topics are compacted; what is kept of theirs is the highest version.
    """
    last = dict.fromkeys(places, 0)
    topics, partitions = [place.topic for place in last], [place.partition for place in last]
    for topic, partition, position in await connection.fetch(_POSITIONS, topics, partitions):
        last[TopicPartition(topic, partition)] = position
    given = []
    for row, place in zip(rows, places, strict=True):
        is_card = row["type"] == CARD_TYPE
        last[place] = max(last[place], row["seq"]) if is_card else last[place] + 1
        given.append(0 if is_card else last[place])
    await connection.execute(_MOVE, topics, partitions, list(last.values()))
    return given
