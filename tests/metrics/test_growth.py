"""Reads of kept figures cost the same however many customers there are."""

from __future__ import annotations

import json
from typing import Any

import asyncpg

from services.metrics.figures import kept
from services.metrics.folder import fold
from services.metrics.periods import number_of
from shared.service import Runtime
from tests.metrics.facts import TEHRAN, at
from tests.support.events import turn

MANY_PURCHASES = """
INSERT INTO purchases (purchase_id, person_id, occurred_at, amount_minor, discount_minor, currency)
SELECT gen_random_uuid(), md5((number % $2)::text)::uuid,
       timestamptz '2024-03-20 08:30Z' + make_interval(hours => (number * 37 % 17520)::integer), number % 900, 0, 'IRR'
FROM generate_series($3::bigint + 1, $1::bigint) AS number
"""
MARK_ALL = "INSERT INTO dirty (person_id) SELECT DISTINCT person_id FROM purchases"
FEW, MANY = 1_000, 100_000


async def _grow(runtime: Runtime, purchases: int, *, beyond: int) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute(MANY_PURCHASES, purchases, purchases // 10, beyond)
        await connection.execute(MARK_ALL)
    await turn(runtime, "fold")
    async with runtime.db.connection() as connection:
        await connection.execute("VACUUM ANALYZE kept_counts")


async def _buffers(connection: asyncpg.Connection, statement: str, *arguments: Any) -> int:
    """Return how many pages a statement touches."""
    [(plan,)] = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


async def _reads(runtime: Runtime) -> dict[str, int]:
    first, after = at("2025-03-21").astimezone(TEHRAN).date(), at("2026-03-21").astimezone(TEHRAN).date()
    months = [number_of("month.jalali", day) for day in (first, after)]
    days = [number_of("day", day) for day in (first, after)]
    grids, firsts = ["month.jalali"] * 12, list(range(months[0], months[1]))
    places = list(range(12))
    async with runtime.db.connection() as connection:
        return {
            "retention by month": await _buffers(
                connection, kept._BY_PERIOD, ["new", "won_back", "lost"], "month.jalali", months[0], months[1]
            ),
            "retention by day": await _buffers(
                connection, kept._BY_PERIOD, ["new", "won_back", "lost"], "day", days[0], days[1]
            ),
            "revenue by month": await _buffers(
                connection,
                kept._SUMS,
                places,
                grids,
                firsts,
                [number + 1 for number in firsts],
                ["net_minor", "refunded_minor"],
                ["IRR"],
                "",
            ),
        }


async def test_reads_touch_as_few_pages_with_a_hundred_times_the_purchases(runtime: Runtime) -> None:
    await _grow(runtime, FEW, beyond=0)
    few = await _reads(runtime)
    await _grow(runtime, MANY, beyond=FEW)
    many = await _reads(runtime)

    assert many["retention by month"] <= 60
    assert many["retention by day"] <= 120
    assert many["revenue by month"] <= 120
    assert all(many[name] <= few[name] * 2 + 20 for name in many), (few, many)


async def test_an_idle_folder_does_nothing(runtime: Runtime) -> None:
    assert await fold(runtime) == 0
