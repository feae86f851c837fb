"""Each purchase beside the two before it: kept as facts come, found by the migration, mended after an older version."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import httpx

from services.metrics.app import SERVICE
from services.metrics.folder import audit
from shared.migrate import migrate
from shared.service import Runtime
from tests.metrics.facts import at, cancellation, merge, named, purchase, values
from tests.support.events import deliver, turn
from tests.support.postgres import TestServer

SPRING = {"from_": "2026-03-22", "to": "2026-05-15"}
COUNT: Final = """
INSERT INTO state.counted_purchases
SELECT purchase_id, person_id, occurred_at, occurred_at::date, 100, 0, 'IRR', ''
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS told (purchase_id, person_id, occurred_at)
"""


async def test_times_between_follow_what_comes_late_is_cancelled_and_is_one_person(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Each time the gaps are counted from the days of 2026 on which one person bought."""
    first, last = purchase("ana", "2026-03-25"), purchase("ana", "2026-05-04")
    for told, median in (
        ([first, last], 40),  # 25 March to 4 May
        ([purchase("ana", "2026-04-04")], 20),  # 10 and 30
        ([purchase("bea", "2026-04-10"), merge("ana", "bea")], 10),  # 10, 6 and 24
        ([cancellation(first)], 15),  # 6 and 24
        ([cancellation(last)], 6),
    ):
        await deliver(runtime, *told)
        await turn(runtime, "fold")
        assert await values(client, "time_between_purchases", **SPRING) == [median]
    assert (await audit(runtime)).differing == {}


async def test_who_bought_thrice_within_a_span_is_one_who_bought_again(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Twice at the very same moment is twice; bea bought once within the span and twice before it, cyr once in all."""
    bought = [("ana", "2026-04-01", 1), ("ana", "2026-04-01", 2), ("ana", "2026-04-20", 1), ("cyr", "2026-04-02", 1)]
    bought += [("bea", "2026-03-01", 1), ("bea", "2026-03-02", 1), ("bea", "2026-05-14", 1)]
    await deliver(runtime, *(purchase(who, when, number=number) for who, when, number in bought))
    await turn(runtime, "fold")

    assert await values(client, "repeat_purchase_rate", **SPRING) == [100 / 3]
    assert await values(client, "time_between_purchases", **SPRING) == [19]


async def test_the_migration_finds_the_purchases_before_those_that_are_counted_already(server: TestServer) -> None:
    days = [at(f"2026-04-0{day}") for day in range(1, 5)]
    ids = [named("purchase", day) for day in days]
    async with server.database("template_empty", leave_empty) as url:
        await migrate(SERVICE, url, "metrics_0003")
        connection = await asyncpg.connect(url)
        await connection.execute(COUNT, ids, [named(who) for who in ("ana", "bea", "ana", "ana")], days)
        await migrate(SERVICE, url)
        rows = await connection.fetch("SELECT * FROM state.purchase_gaps ORDER BY occurred_at")
        await connection.close()

    before: list[tuple[datetime | None, datetime | None]]
    before = [(None, None), (None, None), (days[0], None), (days[2], days[0])]
    assert [tuple(row) for row in rows] == [(each, day, *two) for each, day, two in zip(ids, days, before, strict=True)]


async def leave_empty(_url: str) -> None:
    """Make nothing: the migrations do."""


async def test_what_a_version_that_does_not_know_the_gaps_left_of_them_keeps_nobody_from_being_counted(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    bought = purchase("ana", "2026-05-04")
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO purchase_gaps (purchase_id, occurred_at) VALUES ($1, $2)",
            bought.purchase_id,
            bought.occurred_at,
        )
    await deliver(runtime, purchase("ana", "2026-05-01"), bought)
    await turn(runtime, "fold")

    assert await values(client, "time_between_purchases", **SPRING) == [3]
    assert (await audit(runtime)).differing == {}
