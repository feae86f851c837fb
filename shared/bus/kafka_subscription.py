"""A consumer group's member on Kafka. Where to read on is asked of the inbox, never of Kafka's committed offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.bus.protocol import BusUnavailable, OffsetOutOfRange, Record, Start, TopicPartition
from shared.ids import read_id

OPEN_TIMEOUT_S = 15.0
COMMIT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 3.0
SESSION_MS = 10_000
METADATA_MS = 10_000
"""How soon a member that was given nothing, as the topics were gone, learns that they were made anew."""

POLL_MS = 600_000
"""How long handling one batch may take before the group gives the partitions to others."""


def record_of(message: ConsumerRecord[bytes, bytes], partition: TopicPartition) -> Record:
    """Return what Kafka delivered as a record."""
    return Record(
        *partition,
        read_id(message.key.decode()),
        {name: value.decode() for name, value in message.headers},
        message.value,
        message.offset,
        message.timestamp / 1000,
    )


class KafkaSubscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of a group. Not to be shared between tasks."""

    def __init__(
        self, bootstrap_servers: str, group: str, topics: Collection[str], start: Start, *, prefix: str = ""
    ) -> None:
        self._prefix, self._start = prefix, start
        self._topics = [prefix + topic for topic in sorted(topics)]
        self._placed: set[KafkaPartition] = set()
        self._paused: set[KafkaPartition] = set()
        self._client = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            group_id=prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=SESSION_MS,
            metadata_max_age_ms=METADATA_MS,
            max_poll_interval_ms=POLL_MS,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )

    async def open(self) -> None:
        """Join the group."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._client.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise BusUnavailable(f"Kafka does not answer: {error or type(error).__name__}") from error
        self._client.subscribe(self._topics, listener=self)

    async def on_partitions_revoked(self, revoked: Collection[KafkaPartition]) -> None:  # noqa: ARG002
        """Forget where partitions were read: whoever gets them asks its inbox rows."""
        self._placed.clear()

    async def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:  # noqa: ARG002
        """Let the next `fetch` place the partitions; an error of the inbox would be swallowed here."""
        self._placed.clear()

    async def fetch(self, *, most: int, wait_s: float) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what comes next on the partitions that are assigned and placed."""
        await self._place()
        try:
            async with asyncio.timeout(wait_s + OPEN_TIMEOUT_S):
                fetched = await self._client.getmany(timeout_ms=int(wait_s * 1000), max_records=most)
        except NoOffsetForPartitionError:
            return {}
        except OffsetOutOfRangeError as error:
            offsets = {self._ours(each): offset for each, offset in error.args[0].items()}
            raise OffsetOutOfRange(offsets) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise BusUnavailable(f"Kafka does not answer: {error or type(error).__name__}") from error
        return {
            (ours := self._ours(each)): [record_of(message, ours) for message in messages]
            for each, messages in fetched.items()
            if messages and each in self._placed
        }

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`, unless the partition was lost meanwhile."""
        kafka_partition = self._theirs(partition)
        with suppress(IllegalStateError):
            self._client.seek(kafka_partition, offset)
            if kafka_partition in self._paused:
                self._paused.discard(kafka_partition)
                self._client.resume(kafka_partition)

    def pause(self, partition: TopicPartition) -> None:
        """Leave a partition alone until `seek`."""
        kafka_partition = self._theirs(partition)
        with suppress(IllegalStateError):
            self._client.pause(kafka_partition)
            self._paused.add(kafka_partition)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell Kafka how far we are. A failure is no fault: our own rows decide."""
        mine: dict[Any, int] = {self._theirs(each): offset for each, offset in offsets.items()}
        with suppress(KafkaError, IllegalStateError, TimeoutError):
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._client.commit(mine)

    async def close(self) -> None:
        """Leave the group."""
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.stop()

    def _ours(self, partition: KafkaPartition) -> TopicPartition:
        return TopicPartition(partition.topic.removeprefix(self._prefix), partition.partition)

    def _theirs(self, partition: TopicPartition) -> KafkaPartition:
        return KafkaPartition(self._prefix + partition.topic, partition.partition)

    async def _place(self) -> None:
        """Seek newly assigned partitions to where the inbox says."""
        new = self._client.assignment() - self._placed
        if not new:
            return
        self._paused -= new
        offsets = await self._start([self._ours(each) for each in new])
        for partition in new & self._client.assignment():
            self._client.seek(partition, offsets[self._ours(partition)])
            self._placed.add(partition)
