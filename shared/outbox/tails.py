"""The ends of a log: how far the records of a producer reach on it, whatever its database believes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field

from shared.bus import EventBus, Record, TopicPartition
from shared.outbox import wire

LEAST = 200
"""Offsets that are looked at in any case: the last record alone may be a late double of an earlier one."""

WIDER = 8
MOST = 50_000
"""Offsets within which records may stand out of their order: late doubles come while old sends have not expired."""

PAGE = 5_000


@dataclass(slots=True)
class Tail:
    """The last records of a partition, and its bounds when they were read."""

    first: int = 0
    end: int = 0
    begin: int = 0
    records: Sequence[Record] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Return the highest position of a fact that was seen; 0 where there is none."""
        return max(map(wire.position_of, self.records), default=0)

    @property
    def version(self) -> int:
        """Return the highest version of a card that was seen; 0 where there is none."""
        return max((wire.version_of(record) for record in self.records if wire.is_card(record)), default=0)

    @property
    def whole(self) -> bool:
        """Tell whether everything that the partition holds was seen."""
        return self.begin <= self.first


async def read_tails(bus: EventBus, topics: Collection[str]) -> dict[TopicPartition, Tail]:
    """Return the tail of every partition of the topics that exist."""
    bounds = await bus.bounds(topics) if topics else {}
    tails = {each: Tail(first, end, max(first, end - LEAST)) for each, (first, end) in bounds.items()}
    found = await bus.read_many({each: tail.begin for each, tail in tails.items()}, most=LEAST) if tails else {}
    for each, records in found.items():
        tails[each].records = records
    return tails


async def widened(bus: EventBus, partition: TopicPartition, tail: Tail, enough: Callable[[Tail], bool]) -> Tail:
    """Look back ever further until `enough` is seen, or all that there is, or `MOST` offsets."""
    while not (tail.whole or enough(tail) or tail.end - tail.begin >= MOST):
        begin = max(tail.first, tail.end - (tail.end - tail.begin) * WIDER)
        tail = Tail(tail.first, tail.end, begin, [*await _between(bus, partition, begin, tail.begin), *tail.records])
    return tail


async def facts_about(
    bus: EventBus, partition: TopicPartition, tail: Tail, position: int
) -> AsyncIterator[Sequence[Record]]:
    """Yield a topic's facts from before a position on, in pages, however far back it is on the log.

    Positions rise with the offsets, but for late doubles, so the place is found by halving.
    """
    low, high = tail.first, tail.end
    while low < high:
        middle = (low + high) // 2
        records = await bus.read(partition, middle, most=1)
        if records and wire.position_of(records[0]) < position:
            low = middle + 1
        else:
            high = middle
    begin = max(tail.first, low - MOST)
    while begin < tail.end and (records := await bus.read(partition, begin, most=PAGE)):
        yield records
        begin = records[-1].offset + 1


async def _between(bus: EventBus, partition: TopicPartition, begin: int, end: int) -> list[Record]:
    found: list[Record] = []
    while begin < end and (records := await bus.read(partition, begin, most=PAGE)):
        found += [record for record in records if record.offset < end]
        begin = records[-1].offset + 1
    return found
