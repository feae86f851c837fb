"""Every figure at a real million rows of each fact, whatever span it is asked for and whatever it is split by."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.metrics.app import SERVICE as METRICS
from services.metrics.folder import MARKS_A_TURN, fold
from shared.service import Runtime
from shared.web.app import create_app
from tests.conftest import MakeRuntime
from tests.plans.millions import COUNT, SEEDS, YEARS, fill
from tests.plans.proportion import MOST_BUFFERS, MOST_READ, Cost, cost_of
from tests.plans.walking import Query, Question, Statement, figures, statements_of
from tests.support.api import client

MARK: Final = """
INSERT INTO dirty (person_id)
SELECT person_id FROM leads WHERE hashtext(lead_id::text) % 100 = 0 ORDER BY lead_id LIMIT $1
"""
READ_WHOLE: Final = """
SELECT pg_class.relname, seq_scan FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid
WHERE schemaname = 'state' AND reltuples > 100000
"""
"""How often each table of many rows was read from end to end."""

TODAY: Final = datetime.now(UTC).date()
INTERVALS: Final = {"day": 60, "week": 180, "month": 730, "quarter": 730, "year": 730}
"""How many days are asked for of each."""

BLOCKS_A_ROW: Final = 8
"""Blocks that may be touched for each row shown, and for each purchase in the span where that is counted on demand."""

OF_WEEKS: Final = timedelta(days=90)


def spans() -> Iterator[Query]:
    """Yield spans in every interval of both calendars; and some that are no periods, of weeks and of a year."""
    for interval, days in INTERVALS.items():
        for calendar in ("gregorian", "jalali"):
            yield (*_days(TODAY - timedelta(days=days), TODAY), ("interval", interval), ("calendar", calendar))
    yield _days(TODAY - timedelta(days=60), TODAY - timedelta(days=15))
    yield _days(TODAY - timedelta(days=500), TODAY - timedelta(days=473))
    yield _days(TODAY - timedelta(days=400), TODAY)


def _days(first: date, after: date) -> Query:
    return ("from", str(first)), ("to", str(after))


@dataclass(slots=True)
class Asked:
    """A million rows of metrics, and what is run of it."""

    runtime: Runtime
    app: FastAPI
    http: httpx.AsyncClient
    explaining: asyncpg.Connection
    statements: list[Statement]


@pytest.fixture
async def million(make_runtime: MakeRuntime) -> AsyncIterator[Asked]:
    runtime = await make_runtime(METRICS)
    explaining = await asyncpg.connect(runtime.db.url, server_settings={"search_path": "public,state"})
    try:
        await fill(explaining, SEEDS["metrics"])
        app = create_app(runtime)
        async with client(runtime, app=app) as http:
            with statements_of(runtime.db) as statements:
                yield Asked(runtime, app, http, explaining, statements)
    finally:
        await explaining.close()


@pytest.mark.plans_long
@pytest.mark.timeout(3_600)
async def test_no_figure_of_metrics_reads_out_of_proportion_to_its_span(million: Asked) -> None:
    definitions = (await million.http.get("/v1/metrics")).json()["figures"]
    asked = list(figures(million.app.openapi(), definitions, list(spans())))
    costs: list[tuple[Question, str, Cost]] = []
    for question in asked:
        million.statements.clear()
        reply = await million.http.get(question.path, params=question.query)
        assert reply.is_success, f"{question}: {reply.text}"
        how = reply.json().get("computed", "kept")
        run = [each for each in million.statements if each.is_explained]
        costs += [(question, how, await cost_of(million.explaining, each)) for each in run]

    slowest = sorted(costs, key=lambda each: -each[2].ms)[:10]
    print(f"\nmetrics: {len(asked)} questions at {COUNT:,} rows", *map(_told, slowest), sep="\n")  # noqa: T201
    refused = [f"{question}: {fault}" for question, how, cost in costs for fault in faults(question, how, cost)]
    assert not refused, "\n".join(refused)


@pytest.mark.plans_long
@pytest.mark.timeout(3_600)
async def test_the_folder_of_metrics_reads_no_table_whole_for_thousands_of_people(million: Asked) -> None:
    connection = million.explaining
    await connection.execute(MARK, MARKS_A_TURN)
    before = await _read_whole(connection)
    began = time.monotonic()
    assert await fold(million.runtime) == MARKS_A_TURN
    took = time.monotonic() - began
    await million.runtime.db.engine.dispose()

    print(f"\nmetrics: {MARKS_A_TURN:,} people folded in {took:.1f} s at {COUNT:,} rows")  # noqa: T201
    assert await _read_whole(connection) == before


async def _read_whole(connection: asyncpg.Connection) -> dict[str, int]:
    """Return how often each large table was read whole, as far as those who did so have gone, or have said so."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return {row["relname"]: row["seq_scan"] for row in await connection.fetch(READ_WHOLE)}


def _told(each: tuple[Question, str, Cost]) -> str:
    question, how, cost = each
    return f"{cost.ms:8.1f} ms  {cost.buffers:7,} blocks  {how}  {question}"


def faults(question: Question, how: str, cost: Cost) -> Iterator[str]:
    """Yield what is out of proportion: what is kept is found by its index; what is not is counted within its span.

    Where a year of the three is counted, the database may prefer to read all.
    """
    days = _length(question) if how == "on_demand" else timedelta()
    if cost.whole and days < OF_WEEKS:
        yield f"reads all of {', '.join(cost.whole)}"
    if how == "kept" and cost.removed > MOST_READ:
        yield f"goes past {cost.removed:,.0f} rows"
    rows = cost.shown + COUNT * (days / timedelta(days=365 * YEARS))
    if cost.buffers > MOST_BUFFERS + BLOCKS_A_ROW * rows:
        yield f"touches {cost.buffers:,} blocks ({cost.ms:,.0f} ms)"


def _length(question: Question) -> timedelta:
    ends = dict(question.query)
    return date.fromisoformat(ends["to"]) - date.fromisoformat(ends["from"])
