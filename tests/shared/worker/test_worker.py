"""A worker: everything at once, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from shared.ids import new_id
from shared.service import Runtime
from shared.worker import Worker
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import fetch, name, numbers_heard, said, say
from tests.support.eventually import eventually


@asynccontextmanager
async def working(runtime: Runtime) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(Worker(runtime).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_what_is_said_is_heard_in_order(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    async with working(runtime):
        for number in range(5):
            await say(runtime, said(person, number))
        await name(runtime, person, "سارا")

        await eventually(lambda: heard_all(runtime, person, [0, 1, 2, 3, 4]), within=20)
        await eventually(lambda: copied(runtime, person, "سارا"))


async def heard_all(runtime: Runtime, person: UUID, numbers: list[int]) -> bool:
    return await numbers_heard(runtime, person) == numbers


async def copied(runtime: Runtime, person: UUID, first_name: str | None) -> bool:
    rows = await fetch(runtime, "SELECT first_name FROM state.copies WHERE key = $1", person)
    return [row["first_name"] for row in rows] == [first_name]
