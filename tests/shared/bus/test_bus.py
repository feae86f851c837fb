"""What every transport does: keep order, read from anywhere, share partitions out, say what it does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from shared.bus import BusUnavailable, EventBus, OffsetOutOfRange, Record, Subscription, TopicPartition
from shared.ids import new_id

FACTS, CARDS = "spoken.v1", "cards.v1"
TOPICS = {FACTS: False, CARDS: True}
FIRST = TopicPartition(FACTS, 0)


def record(number: int, partition: int = 0, *, topic: str = FACTS, body: bytes | None = b"{}") -> Record:
    return Record(topic, partition, new_id(), {"ce_type": "spoken", "number": str(number)}, body)


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(each.headers["number"]) for each in records]


async def from_zero(partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
    return dict.fromkeys(partitions, 0)


async def fetch_until(subscription: Subscription, count: int) -> list[Record]:
    records: list[Record] = []
    async with asyncio.timeout(60):
        while len(records) < count:
            for some in (await subscription.fetch(most=1_000, wait_s=0.2)).values():
                records.extend(some)
    return records


async def test_what_was_sent_is_read_back_whole_and_in_order(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=2)
    sent = [record(number) for number in range(5)] + [record(9, 1, body="سلام".encode()), record(10, 1, body=None)]
    await bus.send(sent)

    read = [*await bus.read(FIRST, 0, most=10), *await bus.read(TopicPartition(FACTS, 1), 0, most=10)]
    assert [(each.key, each.headers, each.body) for each in read] == [(e.key, e.headers, e.body) for e in sent]
    assert [each.offset for each in read] == [0, 1, 2, 3, 4, 0, 1]
    assert all(each.sent_at is not None for each in read)


async def test_reading_begins_anywhere_and_ends_at_the_end(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=1)
    await bus.send([record(number) for number in range(5)])

    assert numbers(await bus.read(FIRST, 3, most=10)) == [3, 4]
    assert numbers(await bus.read(FIRST, 1, most=2)) == [1, 2]
    assert numbers(await bus.read(FIRST, 3, most=1)) == [3]
    assert await bus.read(FIRST, 5, most=10) == []
    assert await bus.bounds([FACTS]) == {FIRST: (0, 5)}


async def test_parallel_senders_leave_no_hole_and_keep_their_own_order(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=1)
    await asyncio.gather(*(bus.send([record(sender * 100 + number) for number in range(20)]) for sender in range(5)))

    read = await bus.read(FIRST, 0, most=1_000)
    assert [each.offset for each in read] == list(range(100))
    for sender in range(5):
        mine = [number for number in numbers(read) if number // 100 == sender]
        assert mine == sorted(mine)


async def test_making_topics_again_changes_nothing(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=2)
    await bus.send([record(1)])
    await bus.create_topics(TOPICS, partitions=2)

    assert numbers(await bus.read(FIRST, 0, most=10)) == [1]
    assert await bus.check_topics(TOPICS, partitions=2) == []


async def test_topics_that_are_not_as_they_should_be_are_named(bus: EventBus) -> None:
    await bus.create_topics({FACTS: False}, partitions=2)
    faults = await bus.check_topics(TOPICS, partitions=3)

    assert len(faults) == 2
    assert "cards.v1 does not exist" in faults[0]
    assert "spoken.v1 has 2 partitions, not 3" in faults[1]


async def test_a_topic_made_otherwise_is_named(bus: EventBus) -> None:
    await bus.create_topics({FACTS: True}, partitions=1)

    assert await bus.check_topics({FACTS: False}, partitions=1) != []


async def test_sending_to_a_topic_that_does_not_exist_is_refused(bus: EventBus) -> None:
    await bus.create_topics({CARDS: True}, partitions=1)

    with pytest.raises(BusUnavailable):
        await bus.send([record(1)])


async def test_a_subscription_begins_where_it_is_told_and_goes_on(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=1)
    await bus.send([record(number) for number in range(5)])

    async def from_three(partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {each: 3 if each == FIRST else 0 for each in partitions}

    subscription = await bus.subscribe("ears", TOPICS, from_three)
    assert numbers(await fetch_until(subscription, 2)) == [3, 4]
    await bus.send([record(5)])
    assert numbers(await fetch_until(subscription, 1)) == [5]
    await subscription.seek(FIRST, 1)
    assert numbers(await fetch_until(subscription, 5)) == [1, 2, 3, 4, 5]
    await subscription.close()


async def test_a_paused_partition_is_left_alone_until_it_is_sought(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=2)
    await bus.send([record(1, 0), record(2, 1)])
    subscription = await bus.subscribe("ears", [FACTS], from_zero)
    await fetch_until(subscription, 2)
    subscription.pause(FIRST)
    await bus.send([record(3, 0), record(4, 1)])

    assert numbers(await fetch_until(subscription, 1)) == [4]
    assert await subscription.fetch(most=10, wait_s=0.2) == {}
    await subscription.seek(FIRST, 1)
    assert numbers(await fetch_until(subscription, 1)) == [3]
    await subscription.close()


async def test_an_offset_beyond_the_log_is_out_of_range(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=1)
    await bus.send([record(1)])

    async def from_beyond(partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 50)

    subscription = await bus.subscribe("ears", [FACTS], from_beyond)
    with pytest.raises(OffsetOutOfRange) as refused:
        await fetch_until(subscription, 1)
    assert refused.value.offsets == {FIRST: 50}
    await subscription.close()


async def test_members_share_the_partitions_and_one_that_leaves_hands_its_own_over(bus: EventBus) -> None:
    await bus.create_topics({FACTS: False}, partitions=4)
    assigned: dict[str, set[TopicPartition]] = {"one": set(), "two": set()}

    def start_of(member: str) -> object:
        async def start(partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
            assigned[member] |= set(partitions)
            return dict.fromkeys(partitions, 0)

        return start

    one = await bus.subscribe("ears", [FACTS], start_of("one"))  # type: ignore[arg-type]
    two = await bus.subscribe("ears", [FACTS], start_of("two"))  # type: ignore[arg-type]
    async with asyncio.timeout(60):
        while not assigned["two"] or not assigned["one"]:
            await asyncio.gather(one.fetch(most=10, wait_s=0.1), two.fetch(most=10, wait_s=0.1))
    await two.close()
    assigned["one"].clear()
    await bus.send([record(number, number) for number in range(4)])

    heard: set[int] = set()
    async with asyncio.timeout(60):
        while len(heard) < 4:
            for some in (await one.fetch(most=10, wait_s=0.1)).values():
                heard |= set(numbers(some))
    await one.close()
    assert heard == {0, 1, 2, 3}


async def test_a_partition_ends_after_its_last_record_whoever_asks(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=2)
    other = TopicPartition(FACTS, 1)
    before = await bus.ends([FIRST, other])
    await bus.send([record(number) for number in range(3)])

    assert before == {FIRST: 0, other: 0}
    assert await bus.ends([FIRST, other]) == {FIRST: 3, other: 0}


async def test_a_transport_that_answers_can_be_told(bus: EventBus) -> None:
    await bus.create_topics(TOPICS, partitions=1)

    assert await answers(bus)


async def answers(bus: EventBus) -> bool:
    try:
        await bus.ping()
    except BusUnavailable:
        return False
    return True
