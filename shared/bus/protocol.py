"""What a transport has to do for the relay, the inbox and a rebuild."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """An event on the wire. `offset` and `sent_at` are the transport's, given when it is read."""

    topic: str
    partition: int
    key: UUID
    headers: Mapping[str, str]
    body: bytes | None
    offset: int = -1
    sent_at: datetime | None = None


class Subscription(Protocol):
    """A consumer's share of the partitions of its topics."""

    async def fetch(self, *, most: int, wait_s: float) -> Mapping[TopicPartition, Sequence[Record]]:
        """Return what comes next on the partitions assigned, waiting up to `wait_s` for the first of it."""
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Tell the transport how far effects are stored; for its own displays, nobody reads from it."""
        ...

    async def close(self) -> None: ...


class EventBus(Protocol):
    """A log of records by topic and partition, and consumers that share its partitions out."""

    async def create_topics(self, topics: Mapping[str, bool], *, partitions: int) -> None:
        """Make the topics that do not exist; the value says whether a topic is compacted (contact cards)."""
        ...

    async def send(self, records: Sequence[Record]) -> None:
        """Append records, in order within each partition; returns when all are on the log for good.

        Raises `shared.errors.Unavailable` if not all were acknowledged; some may be on the log all the same.
        """
        ...

    async def read(self, partition: TopicPartition, offset: int, *, most: int) -> Sequence[Record]:
        """Return records of one partition from `offset` on, without a group; for rebuilds and audits."""
        ...

    async def bounds(self, topics: Sequence[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return the first offset and the one after the last of every partition."""
        ...

    async def ping(self) -> None:
        """Raise if the transport does not answer."""
        ...

    async def close(self) -> None: ...
