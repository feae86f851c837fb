"""Kafka as the transport: a producer that never guesses, group subscriptions, and reading without a group.

The producer is not idempotent: with `enable_idempotence` a send hangs for as long as the broker is away (aiokafka
0.14.0 on Kafka 4.1.1), and positions make duplicates harmless. Every call has a time limit, and after a failure the
client is dropped and a fresh one made, since `stop()` of a client that lost its broker hangs too.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from shared.bus import kafka_topics
from shared.bus.kafka_subscription import KafkaSubscription, record_of
from shared.bus.protocol import BusUnavailable, OffsetOutOfRange, Record, Start, TopicPartition

REQUEST_BYTES = 900 * 1024
"""What one request carries of one partition; the broker takes 1 MiB."""

REQUEST_TIMEOUT_S = 4.0
SEND_TIMEOUT_S = 6.0
READ_TIMEOUT_S = 10.0
READ_WAIT_MS = 20
"""How long a fetch without a group may wait at the broker: what else is asked of it waits behind that."""


class KafkaBus:
    """The brokers at `bootstrap_servers`. Connects when first used.

    `prefix` is put before the names of topics and groups, where several deployments share brokers.
    """

    def __init__(self, bootstrap_servers: str, *, prefix: str = "", send_timeout_s: float = SEND_TIMEOUT_S) -> None:
        self.bootstrap_servers, self.prefix = bootstrap_servers, prefix
        self.send_timeout_s = send_timeout_s
        self.connects = 0
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._read_to: dict[KafkaPartition, int] = {}
        self._sending, self._reading = asyncio.Lock(), asyncio.Lock()

    async def create_topics(self, topics: Mapping[str, bool], *, partitions: int) -> None:
        """Make the topics that do not exist, replicated as far as there are brokers."""
        async with self._admin() as admin:
            await kafka_topics.create(admin, self._prefixed(topics), partitions)

    async def check_topics(self, topics: Mapping[str, bool], *, partitions: int) -> list[str]:
        """Return a sentence for everything that is missing or was made otherwise."""
        async with self._admin() as admin:
            return await kafka_topics.check(admin, self._prefixed(topics), partitions)

    async def send(self, records: Sequence[Record]) -> None:
        """Send records, one request a partition in flight, acknowledged by all in-sync replicas."""
        if not records:
            return
        by_partition: defaultdict[KafkaPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[KafkaPartition(self.prefix + record.topic, record.partition)].append(record)
        async with self._sending:
            try:
                async with asyncio.timeout(self.send_timeout_s):
                    producer = await self._started_producer()
                    await _append_all(producer, by_partition)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop_producer()
                raise BusUnavailable(f"Kafka did not take the records: {error or type(error).__name__}") from error
            except BaseException:
                await self._drop_producer()
                raise

    async def subscribe(self, consumer: str, topics: Collection[str], start: Start) -> KafkaSubscription:
        """Join the consumer group `consumer`."""
        subscription = KafkaSubscription(self.bootstrap_servers, consumer, topics, start, prefix=self.prefix)
        await subscription.open()
        return subscription

    async def read(self, partition: TopicPartition, offset: int, *, most: int) -> Sequence[Record]:
        """Return up to `most` records of a partition from `offset` on; nothing if the log ends there."""
        kafka_partition = KafkaPartition(self.prefix + partition.topic, partition.partition)
        async with self._lent_reader() as reader:
            end = (await reader.end_offsets([kafka_partition]))[kafka_partition]
            if offset >= end:
                return []
            if reader.assignment() != {kafka_partition}:
                reader.assign([kafka_partition])
            reader.resume(kafka_partition)
            if offset != self._read_to.get(kafka_partition):
                reader.seek(kafka_partition, offset)
            try:
                messages = await _read_on(reader, kafka_partition, end, most)
            except OffsetOutOfRangeError as error:
                raise OffsetOutOfRange({partition: offset}) from error
            self._read_to = {kafka_partition: messages[-1].offset + 1} if messages else {}
            if not messages or messages[-1].offset + 1 >= end:
                reader.pause(kafka_partition)  # else it would go on asking
            return [record_of(message, partition) for message in messages]

    async def read_many(
        self, offsets: Mapping[TopicPartition, int], *, most: int
    ) -> dict[TopicPartition, list[Record]]:
        """Return up to `most` records of each of several partitions, as they are now."""
        wanted = {KafkaPartition(self.prefix + each.topic, each.partition): each for each in offsets}
        found: dict[TopicPartition, list[Record]] = {each: [] for each in offsets}
        async with self._lent_reader() as reader:
            ends = await reader.end_offsets(list(wanted))
            reader.assign([each for each in wanted if offsets[wanted[each]] < ends[each]])
            self._read_to = {}
            for each in reader.assignment():
                reader.seek(each, offsets[wanted[each]])
            try:
                async for each, messages in _read_all(reader, ends):
                    ours = wanted[each]
                    found[ours] += [record_of(message, ours) for message in messages[: most - len(found[ours])]]
                    if len(found[ours]) >= most:
                        reader.pause(each)
            except OffsetOutOfRangeError as error:
                raise OffsetOutOfRange(offsets) from error
        return {partition: records for partition, records in found.items() if records}

    async def bounds(self, topics: Collection[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return the first offset and the one after the last of every partition."""
        async with self._admin() as admin:
            partitions = await kafka_topics.partitions_of(admin, [self.prefix + topic for topic in topics])
        async with self._lent_reader() as reader:
            first = await reader.beginning_offsets(partitions)
            last = await reader.end_offsets(partitions)
        return {
            TopicPartition(each.topic.removeprefix(self.prefix), each.partition): (first[each], last[each])
            for each in partitions
        }

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of partitions that exist."""
        theirs = {KafkaPartition(self.prefix + each.topic, each.partition): each for each in partitions}
        async with self._lent_reader() as reader:
            return {theirs[each]: end for each, end in (await reader.end_offsets(list(theirs))).items()}

    async def committed(self, consumer: str) -> Mapping[TopicPartition, int]:
        """Return the offsets that `consumer` last committed; Kafka forgets them when a group is empty for a week."""
        async with self._admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.prefix + consumer)
        return {
            TopicPartition(each.topic.removeprefix(self.prefix), each.partition): found.offset
            for each, found in offsets.items()
            if found.offset >= 0
        }

    async def ping(self) -> None:
        """Raise `BusUnavailable` if no broker answers."""
        async with self._admin() as admin:
            await admin.describe_cluster()

    async def close(self) -> None:
        """Close the clients; what was sent has been acknowledged before."""
        await self._drop_producer()
        await self._drop_reader()

    def _prefixed(self, topics: Mapping[str, bool]) -> dict[str, bool]:
        return {self.prefix + topic: compacted for topic, compacted in topics.items()}

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self.bootstrap_servers, request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000)
        )
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await admin.start()
                yield admin
        except (KafkaError, OSError, TimeoutError) as error:
            raise BusUnavailable(f"Kafka does not answer: {error or type(error).__name__}") from error
        finally:
            await _within(1.0, admin.close())

    @asynccontextmanager
    async def _lent_reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with self._reading:
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    yield await self._started_reader()
            except (KafkaError, OSError, TimeoutError) as error:
                await self._drop_reader()
                raise BusUnavailable(f"Kafka cannot be read: {error or type(error).__name__}") from error
            except BaseException:
                await self._drop_reader()
                raise

    async def _started_reader(self) -> AIOKafkaConsumer:
        if self._reader is None:
            self._reader = AIOKafkaConsumer(
                bootstrap_servers=self.bootstrap_servers,
                enable_auto_commit=False,
                auto_offset_reset="none",
                request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
                max_partition_fetch_bytes=4 * 1024 * 1024,
                fetch_max_wait_ms=READ_WAIT_MS,
            )
            await self._reader.start()
        return self._reader

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap_servers,
                acks="all",
                enable_idempotence=False,
                max_batch_size=REQUEST_BYTES,
                request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
            )
            await self._producer.start()
        return self._producer

    async def _drop_producer(self) -> None:
        """Abort the client: nothing that it still holds may be sent later, behind what a fresh one sends."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        self.connects += 1  # the next one's
        producer._closed = True  # noqa: SLF001  (its own stop() waits for a broker that may be gone)
        sender = producer._sender.sender_task  # noqa: SLF001
        if sender is not None:
            sender.cancel()
            await asyncio.wait([sender], timeout=1.0)
        await _within(1.0, producer.client.close())

    async def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        self._read_to = {}
        if reader is not None:
            await _within(1.0, reader.stop())


async def _append_all(producer: AIOKafkaProducer, by_partition: Mapping[KafkaPartition, Sequence[Record]]) -> None:
    """Send all partitions at once; the first that fails ends the others and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for partition, records in by_partition.items():
                group.create_task(_append(producer, partition, records))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def _append(producer: AIOKafkaProducer, partition: KafkaPartition, records: Sequence[Record]) -> None:
    """Send one partition's records, each request acknowledged before the next."""
    now = int(time.time() * 1000)
    batch = producer.create_batch()
    for record in records:
        key, headers = str(record.key).encode(), [(name, value.encode()) for name, value in record.headers.items()]
        if batch.append(timestamp=now, key=key, value=record.body, headers=headers) is None:
            await _acknowledged(producer, batch, partition)
            batch = producer.create_batch()
            batch.append(timestamp=now, key=key, value=record.body, headers=headers)
    await _acknowledged(producer, batch, partition)


async def _acknowledged(producer: AIOKafkaProducer, batch: Any, partition: KafkaPartition) -> None:
    batch.close()
    sent = await producer.send_batch(batch, partition.topic, partition=partition.partition)
    await sent


async def _read_on(reader: AIOKafkaConsumer, partition: KafkaPartition, end: int, most: int) -> Sequence[Any]:
    """Wait for records before `end`; compaction may have left none."""
    while await reader.position(partition) < end:
        fetched = await reader.getmany(partition, timeout_ms=500, max_records=most)
        if messages := fetched.get(partition):
            return list(messages)
    return []


async def _read_all(
    reader: AIOKafkaConsumer, ends: Mapping[KafkaPartition, int]
) -> AsyncIterator[tuple[KafkaPartition, Sequence[Any]]]:
    """Yield what is read of each partition until all that are not paused have reached their ends."""
    while True:
        for each in reader.assignment() - reader.paused():
            if await reader.position(each) >= ends[each]:
                reader.pause(each)
        left = reader.assignment() - reader.paused()
        if not left:
            return
        for each, messages in (await reader.getmany(*left, timeout_ms=500)).items():
            yield each, messages


async def _within(seconds: float, closing: Any) -> None:
    """Wait for a client to close, but not for ever: one that lost its broker may never."""
    with suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(seconds):
            await closing
