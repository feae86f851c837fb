"""Reading on in a log from what a database knows of it, a page at a time, however much there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from shared.bus import EventBus, Record, TopicPartition
from shared.outbox import wire
from shared.outbox.tails import LEAST, PAGE, WIDER, Tail


async def facts_after(
    bus: EventBus, partition: TopicPartition, tail: Tail, position: int
) -> AsyncIterator[Sequence[Record]]:
    """Yield the facts after a position in pages, each position once and in order.

    Where the next one is on the log is estimated, as late doubles lie between; if it turns out to be further back,
    that is where reading begins anew. Only at the log's beginning may positions be missing.
    """
    begin = offset = max(tail.first, tail.end - LEAST - max(tail.position - position, 0))
    while offset < tail.end and (records := await bus.read(partition, offset, most=PAGE)):
        new, is_dense = _leading_on(records, position)
        if not is_dense and begin > tail.first:
            begin = offset = max(tail.first, tail.end - (tail.end - begin) * WIDER)
            continue
        offset = records[-1].offset + 1
        if new:
            position = wire.position_of(new[-1])
            yield new


def _leading_on(records: Sequence[Record], position: int) -> tuple[list[Record], bool]:
    """Return the records that raise the position, and whether none is missing between them."""
    new, is_dense = [], True
    for record in records:
        if wire.position_of(record) > position:
            is_dense = is_dense and wire.missing_from(record) <= position + 1
            new.append(record)
            position = wire.position_of(record)
    return new, is_dense


async def cards_above(
    bus: EventBus, partition: TopicPartition, tail: Tail, version: int
) -> AsyncIterator[Sequence[Record]]:
    """Yield the cards above a version in pages, from behind the last stretch that holds an older one."""
    begin, until = tail.begin, tail.end
    while begin > tail.first and not await _any_older(bus, partition, begin, until, version):
        begin, until = max(tail.first, tail.end - (tail.end - begin) * WIDER), begin
    while begin < tail.end and (records := await bus.read(partition, begin, most=PAGE)):
        begin = records[-1].offset + 1
        if new := [each for each in records if wire.is_card(each) and wire.version_of(each) > version]:
            yield new


async def _any_older(bus: EventBus, partition: TopicPartition, begin: int, until: int, version: int) -> bool:
    """Tell whether there is a card of a version, or an older one, between two offsets."""
    while begin < until and (records := await bus.read(partition, begin, most=PAGE)):
        if any(wire.is_card(each) and wire.version_of(each) <= version for each in records if each.offset < until):
            return True
        begin = records[-1].offset + 1
    return False
