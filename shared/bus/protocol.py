"""What a transport has to do for the relay, the inbox and a rebuild."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.errors import Unavailable


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(slots=True)
class Record:
    """An event on the wire. `offset` and `sent_at` (Unix time) are the transport's, given when it is read."""

    topic: str
    partition: int
    key: UUID
    headers: Mapping[str, str]
    body: bytes | None
    offset: int = -1
    sent_at: float | None = None


Start = Callable[[Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Says where to read on from, asked whenever partitions are assigned."""


class OffsetOutOfRange(Exception):
    """The log does not hold the offsets that were asked for: records were lost, or the topic was made anew."""

    def __init__(self, offsets: Mapping[TopicPartition, int]) -> None:
        super().__init__(", ".join(f"{partition} has no offset {offset}" for partition, offset in offsets.items()))
        self.offsets = dict(offsets)


class BusUnavailable(Unavailable):
    """The transport did not do what was asked in time; asking again later is right."""

    code = "bus_unavailable"


class Subscription(Protocol):
    """A consumer's share of the partitions of its topics."""

    async def fetch(self, *, most: int, wait_s: float) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what comes next on the partitions assigned, waiting up to `wait_s` for the first of it.

        Raises `OffsetOutOfRange` for partitions whose next record the log does not hold, `BusUnavailable` for
        faults that pass; after the latter the subscription is to be closed and a fresh one opened.
        """
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`; also where the partition was paused."""
        ...

    def pause(self, partition: TopicPartition) -> None:
        """Leave a partition alone until `seek`."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the transport how far effects are stored: nobody reads on from it, but it shows a restored database."""
        ...

    async def close(self) -> None: ...


class EventBus(Protocol):
    """A log of records by topic and partition, and consumers that share its partitions out.

    `connects` counts the connections made, as far as the transport sees them: behind a new one may be another log,
    restored from a copy.
    """

    connects: int

    async def create_topics(self, topics: Mapping[str, bool], *, partitions: int) -> None:
        """Make the topics that do not exist; the value says whether a topic is compacted (contact cards)."""
        ...

    async def check_topics(self, topics: Mapping[str, bool], *, partitions: int) -> list[str]:
        """Return a sentence for everything about the topics that is not as `create_topics` would make it."""
        ...

    async def send(self, records: Sequence[Record]) -> None:
        """Append records, in order within each partition; returns when all are on the log for good.

        Raises `BusUnavailable` if not all were acknowledged; some may be on the log all the same.
        """
        ...

    async def subscribe(self, consumer: str, topics: Collection[str], start: Start) -> Subscription:
        """Join the members of `consumer` that share the partitions of `topics` out among themselves."""
        ...

    async def read(self, partition: TopicPartition, offset: int, *, most: int) -> Sequence[Record]:
        """Return records of one partition from `offset` on, without a group; for rebuilds and audits."""
        ...

    async def read_many(
        self, offsets: Mapping[TopicPartition, int], *, most: int
    ) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return up to `most` records of each of several partitions, as they are now; for looking at their ends."""
        ...

    async def bounds(self, topics: Collection[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return the first offset and the one after the last of every partition."""
        ...

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of partitions that exist: the cheapest question about a log."""
        ...

    async def committed(self, consumer: str) -> Mapping[TopicPartition, int]:
        """Return the offsets that `consumer` last committed; nothing of partitions where it never did."""
        ...

    async def ping(self) -> None:
        """Raise `BusUnavailable` if the transport does not answer."""
        ...

    async def close(self) -> None: ...
