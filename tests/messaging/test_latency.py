"""With a worker at work: how long it takes from a fact to the phone."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.service import Runtime
from shared.worker import Worker
from tests.messaging.conftest import Panel
from tests.messaging.people import captured, card
from tests.support.events import deliver
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("accounts")


async def test_from_capture_to_the_phone_it_takes_less_than_two_seconds(runtime: Runtime, panel: Panel) -> None:
    stop = asyncio.Event()
    working = asyncio.create_task(Worker(runtime).run(stop))
    try:
        took = [await _acknowledged(runtime, panel, f"+9899900040{number:02}") for number in range(10)]
    finally:
        stop.set()
        await working

    assert max(took) < 2


async def _acknowledged(runtime: Runtime, panel: Panel, phone: str) -> float:
    person = card(phones=(phone,))
    begun = time.perf_counter()
    await deliver(runtime, person, captured(person.person_id))
    await eventually(lambda: panel.texts(phone), within=10)
    return time.perf_counter() - begun
