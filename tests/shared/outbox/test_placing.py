"""Where a consumer reads on once the log under it is another one, however far back on it that is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.bus import Record, TopicPartition
from shared.outbox import replacing, tails, wire
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS

PARTITION = TopicPartition(FACTS, 0)
SINCE = 3_000


def fact(position: int) -> Record:
    return wire.record_of_machinery("echo.said", "echo", PARTITION, position=position)


def gap(first: int, last: int) -> Record:
    return wire.record_of_machinery(wire.GAP_TYPE, "echo", PARTITION, position=last, missing_from=first)


async def test_a_place_is_found_by_reading_little_however_much_came_since(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positions 11 to 20 were lost; of 8, 22 and 23 there are late doubles."""
    runtime = await make_echo(partitions=1)
    early, late = map(fact, range(1, 11)), map(fact, range(25, SINCE))
    doubled = [*map(fact, range(21, 25)), fact(8), fact(22), fact(23)]
    await runtime.bus.send([*early, gap(11, 20), *doubled, *late])
    tail = (await tails.read_tails(runtime.bus, [FACTS]))[PARTITION]
    monkeypatch.setattr(tails, "MOST", 50)
    monkeypatch.setattr(tails, "PAGE", 60)
    counts: list[int] = []
    read = runtime.bus.read

    async def counted(partition: TopicPartition, offset: int, *, most: int) -> Sequence[Record]:
        records = await read(partition, offset, most=most)
        counts.append(len(records))
        return records

    monkeypatch.setattr(runtime.bus, "read", counted)
    asked = (9, 10, 15, 20, 21, SINCE - 1)
    places = {each: await replacing._place_of(runtime, PARTITION, tail, each) for each in asked}

    assert places == {9: None, 10: 10, 15: 10, 20: 11, 21: None, SINCE - 1: None}
    assert sum(counts) < 200 * len(asked)


async def test_a_log_that_ends_with_the_gap_is_read_on_at_its_end(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await runtime.bus.send([*map(fact, range(1, 11)), gap(11, 20), fact(7)])
    tail = (await tails.read_tails(runtime.bus, [FACTS]))[PARTITION]

    assert await replacing._place_of(runtime, PARTITION, tail, 20) == tail.end
    assert await replacing._place_of(runtime, PARTITION, tail, 21) is None
