"""What is particular to the local bus."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from datetime import timedelta

import pytest

from shared.bus import BusUnavailable, Record, TopicPartition
from shared.bus.local import LocalBus
from shared.clock import moved
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.postgres import TestServer
from tests.support.runtimes import bus_database

CARDS = "cards.v1"

WAITING = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def bus(server: TestServer) -> AsyncIterator[LocalBus]:
    async with bus_database(server) as url:
        bus = LocalBus(url)
        await bus.create_topics({CARDS: True}, partitions=1)
        yield bus
        await bus.close()


async def bodies(bus: LocalBus) -> list[bytes | None]:
    return [record.body for record in await bus.read(TopicPartition(CARDS, 0), 0, most=100)]


async def test_a_compacted_topic_keeps_the_last_record_a_key_only(bus: LocalBus) -> None:
    one, other = new_id(), new_id()
    await bus.send([Record(CARDS, 0, key, {}, body) for key, body in ((one, b"1"), (other, b"2"), (one, b"3"))])
    assert await bodies(bus) == [b"2", b"3"]
    await bus.send([Record(CARDS, 0, other, {}, None)])

    assert await bodies(bus) == [b"3", None]


async def test_a_tombstone_goes_after_a_day(bus: LocalBus) -> None:
    await bus.send([Record(CARDS, 0, new_id(), {}, None)])
    with moved(timedelta(hours=23)):
        await bus.send([Record(CARDS, 0, new_id(), {}, b"1")])
    assert await bodies(bus) == [None, b"1"]
    with moved(timedelta(hours=25)):
        await bus.send([Record(CARDS, 0, new_id(), {}, b"2")])

    assert await bodies(bus) == [b"1", b"2"]


async def test_a_batch_with_a_record_for_no_partition_appends_none_and_names_it(bus: LocalBus) -> None:
    with pytest.raises(BusUnavailable, match=f"no partition {CARDS}-1; `peyvand topics make`"):
        await bus.send([Record(CARDS, 0, new_id(), {}, b"1"), Record(CARDS, 1, new_id(), {}, b"2")])

    assert await bodies(bus) == []


async def test_a_process_that_is_stopped_amid_an_append_holds_up_no_other(bus: LocalBus) -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    woken = threading.Event()

    async def append() -> None:
        loops.append(asyncio.get_running_loop())
        stopping = LocalBus(bus.url)
        await stopping.send([Record(CARDS, 0, new_id(), {}, b"1")])
        await stopping.close()

    async with bus.transaction() as holding, bus.connection() as looking:
        await holding.execute("SELECT FROM heads FOR UPDATE")
        appending = asyncio.create_task(asyncio.to_thread(asyncio.run, append()))
        await eventually(lambda: looking.fetch(WAITING))
        loops[0].call_soon_threadsafe(woken.wait)
    try:
        async with asyncio.timeout(2):
            await bus.send([Record(CARDS, 0, new_id(), {}, b"2")])
    finally:
        woken.set()
        await appending

    assert await bodies(bus) == [b"1", b"2"]


async def test_a_member_that_died_leaves_its_partitions_to_the_others(bus: LocalBus) -> None:
    await bus.create_topics({CARDS: True}, partitions=4)
    dead = await bus.subscribe("ears", [CARDS], from_zero)
    living = await bus.subscribe("ears", [CARDS], from_zero)
    await dead.fetch(most=1, wait_s=0)
    await living.fetch(most=1, wait_s=0)
    assert len(living._next) == 2
    async with bus.connection() as connection:
        await connection.execute(
            "UPDATE members SET seen_at = seen_at - interval '6 s' WHERE member = $1", dead._member
        )
    living._beat_at = 0.0
    await living.fetch(most=1, wait_s=0)

    assert len(living._next) == 4


async def from_zero(partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    return dict.fromkeys(partitions, 0)


async def test_a_database_that_is_not_there_is_said_to_be_unavailable() -> None:
    bus = LocalBus("postgresql://nobody@127.0.0.1:1/bus")

    with pytest.raises(BusUnavailable, match="does not answer"):
        await bus.ping()
