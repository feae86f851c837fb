from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar

import pytest

from shared import gathering
from shared.gathering import Gatherer
from tests.support.eventually import eventually

MOST = 3
WITHIN_S = 0.2

said_by: ContextVar[str] = ContextVar("said_by", default="nobody")


class Kitchen:
    """Does what it is given once it is let: remembers what was done together, and fails or hangs where told to."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.on_behalf_of: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.gatherer = Gatherer(self.cook, most=MOST, within_s=WITHIN_S)

    async def cook(self, orders: Sequence[str]) -> list[str]:
        self.done.append(list(orders))
        self.on_behalf_of.add(said_by.get())
        if "tell" in orders:
            self.gatherer.tell()
        if {"hang", "tell"} & set(orders):
            await asyncio.Event().wait()
        await self.open.wait()
        if "burn" in orders:
            raise LookupError("burnt")
        return [order.upper() for order in orders]

    def order(self, *orders: str) -> list[asyncio.Task[str]]:
        return [asyncio.create_task(self.gatherer.do(each)) for each in orders]

    async def queue(self, *orders: str) -> list[asyncio.Task[str]]:
        """Order what has to wait, as the kitchen is busy; return once all of it does."""
        tasks = self.order(*orders)
        await eventually(lambda: len(self.gatherer._waiting) == len(orders))
        return tasks

    async def busy_with(self, order: str) -> asyncio.Task[str]:
        """Begin `order`, and be at work on it until `open` is set."""
        self.open.clear()
        (task,) = self.order(order)
        await eventually(lambda: self.done)
        return task


async def told(task: asyncio.Task[str]) -> str:
    """Return what a task was told, or what went wrong with it."""
    try:
        return await task
    except TimeoutError as error:
        return type(error).__name__


@pytest.fixture
async def kitchen() -> AsyncIterator[Kitchen]:
    kitchen = Kitchen()
    yield kitchen
    await kitchen.gatherer.close()


async def test_who_comes_first_is_alone_and_who_comes_meanwhile_is_done_together(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    others = await kitchen.queue("b", "c")
    assert kitchen.done == [["a"]]
    kitchen.open.set()

    assert await asyncio.gather(first, *others) == ["A", "B", "C"]
    assert kitchen.done == [["a"], ["b", "c"]]


async def test_no_more_are_done_together_than_may_be(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    others = await kitchen.queue("b", "c", "d", "e")
    kitchen.open.set()
    await asyncio.gather(first, *others)

    assert kitchen.done == [["a"], ["b", "c", "d"], ["e"]]


async def test_half_of_all_are_done_together_so_that_the_others_can_go_on_meanwhile(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    others = await kitchen.queue("b", "c", "d")
    kitchen.open.set()
    await asyncio.gather(first, *others)

    assert kitchen.done == [["a"], ["b", "c"], ["d"]]


async def test_who_is_done_is_told_when_the_next_says_so(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "TOLD_WITHIN_S", 60)
    first = await kitchen.busy_with("a")
    (hanging,) = await kitchen.queue("tell")
    kitchen.open.set()

    assert await first == "A"
    assert not hanging.done()


async def test_who_is_done_is_told_when_the_next_has_ended_without_a_word(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "TOLD_WITHIN_S", 60)
    first = await kitchen.busy_with("a")
    (hanging,) = await kitchen.queue("hang")
    kitchen.open.set()
    ended = [await each for each in asyncio.as_completed([told(first), told(hanging)])]

    assert ended == ["A", "TimeoutError"]


async def test_who_is_done_does_not_wait_for_a_next_one_that_hangs(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    (hanging,) = await kitchen.queue("hang")
    kitchen.open.set()

    assert await first == "A"
    assert not hanging.done()


async def test_who_is_done_is_told_where_it_is_closed(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "TOLD_WITHIN_S", 60)
    first = await kitchen.busy_with("a")
    await kitchen.queue("hang")
    kitchen.open.set()
    await eventually(lambda: len(kitchen.done) == 2)
    await kitchen.gatherer.close()

    assert await first == "A"


async def test_what_fails_is_told_to_those_who_were_done_together_and_nobody_else(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    others = await kitchen.queue("b", "burn", "c", "d")
    kitchen.open.set()
    told = await asyncio.gather(first, *others, return_exceptions=True)

    assert (told[0], told[4]) == ("A", "D")
    assert all(isinstance(each, LookupError) for each in told[1:4])


async def test_who_is_cancelled_before_is_left_out_and_who_is_cancelled_amid_harms_nobody(kitchen: Kitchen) -> None:
    first = await kitchen.busy_with("a")
    left, second, third = await kitchen.queue("b", "c", "d")
    left.cancel()
    first.cancel()
    kitchen.open.set()

    assert [await second, await third] == ["C", "D"]
    assert kitchen.done == [["a"], ["c", "d"]]
    assert left.cancelled()
    assert first.cancelled()


async def test_what_hangs_holds_up_nobody_else_and_is_broken_off(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PATIENCE_S", 0.01)
    hanging = await kitchen.busy_with("hang")
    kitchen.open.set()
    (next_one,) = kitchen.order("a")

    assert await next_one == "A"
    assert not hanging.done()
    with pytest.raises(TimeoutError):
        await hanging


async def test_it_begins_anew_after_a_rest(kitchen: Kitchen) -> None:
    for order in ("a", "b"):
        assert await asyncio.gather(*kitchen.order(order)) == [order.upper()]


async def test_work_is_done_on_behalf_of_nobody(kitchen: Kitchen) -> None:
    said_by.set("the first to come")
    await asyncio.gather(*kitchen.order("a"))

    assert kitchen.on_behalf_of == {"nobody"}


async def test_what_is_under_way_is_broken_off_where_it_is_closed(kitchen: Kitchen) -> None:
    hanging = await kitchen.busy_with("hang")
    (waiting,) = await kitchen.queue("a")
    await kitchen.gatherer.close()

    assert await asyncio.gather(hanging, return_exceptions=True)
    assert hanging.cancelled()
    assert not waiting.done()
    waiting.cancel()
