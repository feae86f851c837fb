"""A consumer's share of the local bus: members by heartbeat, one query for all partitions while nothing happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.bus.protocol import OffsetOutOfRange, Record, Start, TopicPartition
from shared.ids import new_id

if TYPE_CHECKING:
    from shared.bus.local import LocalBus

POLL_S = 0.05
HEARTBEAT_S = 1.0
MEMBER_GONE_S = 5.0

_BEAT = """
WITH beat AS (
    INSERT INTO members (consumer, member)
    SELECT $1, $2 FROM (SELECT set_config('synchronous_commit', 'off', true)) AS fast
    ON CONFLICT (consumer, member) DO UPDATE SET seen_at = clock_timestamp()
), gone AS (
    DELETE FROM members WHERE consumer = $1 AND member <> $2 AND seen_at < clock_timestamp() - $3 * interval '1 second'
)
SELECT member FROM members
WHERE consumer = $1 AND member <> $2 AND seen_at >= clock_timestamp() - $3 * interval '1 second'
"""
_HEADS = "SELECT topic, partition, next_offset FROM heads WHERE topic = ANY($1::text[]) ORDER BY topic, partition"
_COMMIT = """
INSERT INTO commits SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::bigint[])
ON CONFLICT (consumer, topic, partition) DO UPDATE SET next_offset = excluded.next_offset
"""


class LocalSubscription:
    """One member of a consumer. Not to be shared between tasks."""

    def __init__(
        self, bus: LocalBus, consumer: str, topics: Collection[str], start: Start, awake: asyncio.Event
    ) -> None:
        self._bus, self._consumer, self._topics, self._start = bus, consumer, sorted(topics), start
        self._awake = awake
        self._member = new_id()
        self._rank: tuple[int, int] = (0, 1)
        self._beat_at = 0.0
        self._next: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    async def fetch(self, *, most: int, wait_s: float) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what comes next; woken by appends of this process, else looking now and then."""
        until = time.monotonic() + wait_s
        while True:
            self._awake.clear()
            if behind := await self._behind():
                records = await self._bus.read_many(behind, most=max(most // len(behind), 100))
                self._next.update({partition: batch[-1].offset + 1 for partition, batch in records.items()})
                return records
            left = until - time.monotonic()
            if left <= 0:
                return {}
            await self._wait(min(self._bus.poll_s, left))

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`."""
        self._paused.discard(partition)
        if partition in self._next:
            self._next[partition] = offset

    def pause(self, partition: TopicPartition) -> None:
        """Leave a partition alone until `seek`."""
        self._paused.add(partition)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Keep how far the consumer is, for displays and to know a restored consumer by."""
        async with self._bus.connection() as connection:
            await connection.execute(
                _COMMIT, self._consumer, [p.topic for p in offsets], [p.partition for p in offsets], [*offsets.values()]
            )

    async def close(self) -> None:
        """Leave the other members their share at once."""
        async with self._bus.connection() as connection:
            await connection.execute("DELETE FROM members WHERE member = $1", self._member)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _behind(self) -> dict[TopicPartition, int]:
        """Return the assigned partitions that hold more than was read, and where to read on."""
        async with self._bus.connection() as connection:
            if time.monotonic() - self._beat_at >= HEARTBEAT_S:
                others = await connection.fetch(_BEAT, self._consumer, self._member, MEMBER_GONE_S)
                members = sorted([self._member, *(row["member"] for row in others)])
                self._rank = (members.index(self._member), len(members))
                self._beat_at = time.monotonic()
            rows = await connection.fetch(_HEADS, self._topics)
        heads = {TopicPartition(topic, partition): end for topic, partition, end in rows}
        await self._assign(heads)
        self._check(heads)
        return {p: offset for p, offset in self._next.items() if p not in self._paused and offset < heads[p]}

    async def _assign(self, heads: Mapping[TopicPartition, int]) -> None:
        rank, members = self._rank
        mine = {partition for place, partition in enumerate(heads) if place % members == rank}
        if mine == self._next.keys():
            return
        for lost in self._next.keys() - mine:
            del self._next[lost]
            self._paused.discard(lost)
        if gained := mine - self._next.keys():
            self._next.update(await self._start(gained))

    def _check(self, heads: Mapping[TopicPartition, int]) -> None:
        """Refuse to wait for offsets that a topic made anew does not reach."""
        beyond = {p: offset for p, offset in self._next.items() if offset > heads[p] and p not in self._paused}
        if beyond:
            raise OffsetOutOfRange(beyond)
