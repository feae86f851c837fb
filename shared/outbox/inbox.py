"""The inbox: reads a consumer's partitions and stores what their events lead to, exactly once in effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence

import structlog

from shared.bus import BusUnavailable, OffsetOutOfRange, Record, Subscription, TopicPartition
from shared.outbox.batches import CardsAnew, Gap, Moved, apply_partition, stop_partition
from shared.outbox.parking import CodeAtFault
from shared.outbox.replacing import replace
from shared.outbox.together import apply_together
from shared.service import Runtime

LEAST, FIRST, MOST = 50, 500, 5_000
"""Records of a turn: fewer when turns take long, more while they are quick and full."""

LONG_TURN_S = 5.0
FETCH_WAIT_S = 1.0
RETRY_STOPPED_S = 60.0

_ROWS = "SELECT topic, partition, next_offset, restored_until FROM inbox WHERE consumer = $1"
_MAKE = """
INSERT INTO inbox (consumer, topic, partition, next_offset, position)
SELECT $1, *, -1 FROM unnest($2::text[], $3::integer[], $4::bigint[]) ON CONFLICT DO NOTHING
"""

_RESTORED = """
UPDATE inbox SET restored_until = committed."offset"
FROM unnest($2::text[], $3::integer[], $4::bigint[]) AS committed (topic, partition, "offset")
WHERE consumer = $1 AND inbox.topic = committed.topic AND inbox.partition = committed.partition
    AND next_offset < committed."offset" AND restored_until < committed."offset"
RETURNING inbox.topic, inbox.partition, next_offset, restored_until
"""

log = structlog.get_logger(__name__)


class Inbox:
    """One member of a service's consumer."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        most: int = MOST,
        fetch_wait_s: float = FETCH_WAIT_S,
        retry_stopped_s: float = RETRY_STOPPED_S,
    ) -> None:
        self.runtime, self.most, self.fetch_wait_s = runtime, most, fetch_wait_s
        self.batch = min(FIRST, most)
        self.retry_stopped_s = retry_stopped_s
        self.consumer = runtime.service.consumer
        self._next: dict[TopicPartition, int] = {}
        self._restored_until: dict[TopicPartition, int] = {}
        self._stopped: dict[TopicPartition, float] = {}
        self._failed: set[TopicPartition] = set()
        self._subscription: Subscription | None = None

    async def start(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where our own rows say to read on; a new row starts at the log's first record.

        What was committed is asked before our rows: another member that moves a row commits it afterwards.
        """
        committed = await self.runtime.bus.committed(self.consumer.service)
        offsets = await self._offsets()
        if new := set(partitions) - offsets.keys():
            bounds = await self.runtime.bus.bounds({partition.topic for partition in new})
            async with self.runtime.db.connection() as connection:
                await connection.execute(
                    _MAKE,
                    self.consumer.service,
                    [partition.topic for partition in new],
                    [partition.partition for partition in new],
                    [bounds[partition][0] for partition in new],
                )
            offsets = await self._offsets()
        await self._note_restored(
            {each: committed[each] for each in partitions if committed.get(each, 0) > offsets[each]}
        )
        mine = {partition: offsets[partition] for partition in partitions}
        self._next.update(mine)
        return mine

    async def _note_restored(self, committed: Mapping[TopicPartition, int]) -> None:
        """Note that our rows stand before what we committed: the database was restored from an older copy.

        What the log no longer holds was lost with it, and what comes in its place was never handled.
        """
        if not committed:
            return
        bounds = await self.runtime.bus.bounds({partition.topic for partition in committed})
        until = {each: min(offset, bounds[each][1]) for each, offset in committed.items()}
        async with self.runtime.db.connection() as connection:
            rows = await connection.fetch(
                _RESTORED,
                self.consumer.service,
                [each.topic for each in until],
                [each.partition for each in until],
                list(until.values()),
            )
        for row in rows:
            log.error("consumer_restored", consumer=self.consumer.service, **dict(row))
        await self._offsets()

    async def turn(self) -> int:
        """Fetch once and handle what came; return how many records. Errors that pass close the subscription."""
        subscription = await self._subscribed()
        try:
            await self._retry_stopped(subscription)
            fetched = await subscription.fetch(most=self.batch, wait_s=self.fetch_wait_s)
        except OffsetOutOfRange as error:
            for partition, offset in error.offsets.items():
                if not await self._placed_anew(subscription, partition):
                    await self._stop(subscription, partition, _lacking(partition, offset))
            return 0
        began = time.monotonic()
        try:
            together, left = await apply_together(self.runtime, fetched, self._next)
            self._failed |= left
            done = {
                each: len(records) if each in together else await self._handle(subscription, each, records)
                for each, records in fetched.items()
            }
        except Exception:
            self._failed |= fetched.keys()
            for partition in fetched:
                await subscription.seek(partition, self._next[partition])
            raise
        self._failed -= fetched.keys()
        moved = {partition: self._next[partition] for partition, count in done.items() if count}
        if moved:
            await subscription.commit(self._to_commit(moved))
        self._adapt(sum(done.values()), time.monotonic() - began)
        return sum(done.values())

    def _to_commit(self, moved: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return what to commit: never less than before a restore, as the same copy may be restored once more."""
        return {each: max(offset, self._restored_until.get(each, 0)) for each, offset in moved.items()}

    def _adapt(self, handled: int, took_s: float) -> None:
        """Keep turns, and with them transactions and locks, short whatever the handlers cost."""
        if took_s > LONG_TURN_S:
            self.batch = max(self.batch // 2, LEAST)
        elif handled >= self.batch // 2 and took_s < LONG_TURN_S / 4:
            self.batch = min(self.batch * 2, self.most)

    async def close(self) -> None:
        """Leave the group; the next `turn` joins it anew."""
        subscription, self._subscription = self._subscription, None
        self._next.clear()
        self._stopped.clear()
        if subscription is not None:
            try:
                async with asyncio.timeout(5):
                    await subscription.close()
            except (TimeoutError, BusUnavailable) as error:
                log.warning("subscription_not_closed", consumer=self.consumer.service, error=str(error))

    async def _subscribed(self) -> Subscription:
        if self._subscription is None:
            bus, consumer = self.runtime.bus, self.consumer
            self._subscription = await bus.subscribe(consumer.service, consumer.topics, self.start)
        return self._subscription

    async def _offsets(self) -> dict[TopicPartition, int]:
        async with self.runtime.db.connection() as connection:
            rows = await connection.fetch(_ROWS, self.consumer.service)
        self._restored_until = {TopicPartition(topic, partition): until for topic, partition, _, until in rows}
        return {TopicPartition(topic, partition): offset for topic, partition, offset, _ in rows}

    async def _handle(self, subscription: Subscription, partition: TopicPartition, records: Sequence[Record]) -> int:
        """Handle a partition's records; return how many were, before something stood in the way."""
        handled = 0
        while handled < len(records):
            try:
                handled += await apply_partition(
                    self.runtime,
                    partition,
                    records[handled:],
                    expected=self._next[partition],
                    retry=partition in self._failed,
                )
                self._next[partition] = records[handled - 1].offset + 1
            except Moved as moved:
                self._next[partition] = moved.next_offset
                await subscription.seek(partition, moved.next_offset)
                return handled
            except (CardsAnew, Gap) as seen:
                if not await self._placed_anew(subscription, partition):
                    await self._stop(subscription, partition, str(seen))
                return handled
            except CodeAtFault as fault:
                await self._stop(subscription, partition, str(fault))
                return handled
        return handled

    async def _placed_anew(self, subscription: Subscription, partition: TopicPartition) -> bool:
        """Read on where a log that was restored or made anew goes on; False where that was not declared."""
        place = await replace(self.runtime, subscription, partition)
        if place is None:
            return False
        self._next[partition] = place
        self._restored_until.pop(partition, None)
        await subscription.seek(partition, place)
        return True

    async def _stop(self, subscription: Subscription, partition: TopicPartition, reason: str) -> None:
        subscription.pause(partition)
        self._stopped[partition] = time.monotonic()
        log.error("partition_stopped", consumer=self.consumer.service, partition=str(partition), reason=reason)
        await stop_partition(self.runtime, partition, reason)

    async def _retry_stopped(self, subscription: Subscription) -> None:
        """Try partitions that stand still again once a minute: what stopped them may have been mended."""
        due = [each for each, at in self._stopped.items() if time.monotonic() - at >= self.retry_stopped_s]
        if not due:
            return
        offsets = await self._offsets()
        for partition in due:
            del self._stopped[partition]
            self._next[partition] = offsets[partition]
            await subscription.seek(partition, offsets[partition])


def _lacking(partition: TopicPartition, offset: int) -> str:
    """Say what is the matter with a log that ends before what was read of it."""
    producer = partition.topic.partition(".")[0]
    return (
        f"The log does not hold offset {offset}: it was restored from an older copy, or made anew. "
        f"`peyvand topics realign {producer}` lets consumers go on."
    )
