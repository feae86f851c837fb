"""A rebuild of metrics from the log gives equal figures, by the machinery that `peyvand rebuild metrics` runs."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.metrics.app import SERVICE
from services.metrics.folder import audit
from shared import outbox
from shared.contracts import Event
from shared.contracts.customers import PurchaseRecorded
from shared.outbox.rebuild import rebuild
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.metrics.facts import answer, answer_to, cancellation, delivery, invitation, lead, merge, purchase, refund
from tests.metrics.facts import values as values_of
from tests.shared.outbox.machinery import hear_all, relay_all
from tests.support import api
from tests.support.events import turn

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    runtime = await make_runtime(SERVICE, partitions=3)
    await runtime.bus.create_topics(dict.fromkeys(SERVICE.consumer.topics, False), partitions=3)
    return runtime


def _year() -> list[Event]:
    """Purchases of forty people, some refunded or cancelled, some merged; leads and answers."""
    chance = random.Random(11)
    bought: list[PurchaseRecorded] = [
        purchase(f"p{chance.randrange(40)}", BEGINNING + timedelta(hours=chance.randrange(7000)), 100 + n, number=n)
        for n in range(200)
    ]
    undone: list[Event] = [cancellation(each) for each in bought[::17]]
    refunded: list[Event] = [refund(each, 10) for each in bought[::13]]
    leads = [lead(f"p{n}", f"2026-03-0{n + 1} 09:00", due=f"2026-03-0{n + 1} 09:05") for n in range(8)]
    answered: list[Event] = [answer_to(each, "2026-04-01", in_time=bool(n % 2)) for n, each in enumerate(leads)]
    asked = [invitation(f"p{n}", "2026-05-05") for n in range(20)]
    said: list[Event] = [answer(each, "2026-05-06", 5 - n % 5, "satisfied") for n, each in enumerate(asked[:15])]
    reached: list[Event] = [delivery(each, "2026-05-05 13:00") for each in asked]
    return [
        *bought,
        *undone,
        *refunded,
        *leads,
        *answered,
        *asked,
        *reached,
        *said,
        merge("p1", "p2"),
        merge("p3", "p1"),
    ]


async def _publish(runtime: Runtime, events: list[Event]) -> None:
    async with runtime.db.transaction() as tx:
        outbox.add(tx, *events)
    await relay_all(runtime)
    await hear_all(runtime)


async def _counts(runtime: Runtime) -> set[tuple[Any, ...]]:
    async with runtime.db.connection() as connection:
        return {tuple(row) for row in await connection.fetch("SELECT * FROM kept_counts WHERE amount <> 0")}


async def test_a_rebuild_from_the_log_gives_equal_figures(runtime: Runtime) -> None:
    await _publish(runtime, _year())
    await turn(runtime, "fold")
    before = await _counts(runtime)

    assert await rebuild(runtime) == len(_year())

    assert len(before) > 1000
    assert await _counts(runtime) == before
    assert (await audit(runtime)).differing == {}


async def test_a_rebuild_mends_counts_that_were_spoilt(runtime: Runtime) -> None:
    await _publish(runtime, _year())
    await turn(runtime, "fold")
    before = await _counts(runtime)
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE kept_counts SET amount = amount * 2")
        await connection.execute("DELETE FROM purchases")

    await rebuild(runtime)

    assert await _counts(runtime) == before


async def test_figures_go_on_after_a_rebuild(runtime: Runtime) -> None:
    await _publish(runtime, [purchase("ana", "2026-04-01")])
    await turn(runtime, "fold")
    await rebuild(runtime)
    await _publish(runtime, [purchase("ana", "2026-04-02")])
    await turn(runtime, "fold")

    client: httpx.AsyncClient
    async with api.client(runtime) as client:
        assert await values_of(client, "purchases", from_="2026-04-01", to="2026-05-01") == [2]
    assert (await audit(runtime)).differing == {}
