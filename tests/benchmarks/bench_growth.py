"""What is read all day, at a million customers against ten thousand: what grows with them is not fit for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import asyncpg
import httpx

from services.customers.app import SERVICE as CUSTOMERS
from services.metrics.app import SERVICE as METRICS
from services.metrics.folder import fold
from shared.service import Runtime
from tests.benchmarks.harness import Bench, Row, at_most, interleaved
from tests.support.api import client
from tests.support.runtimes import open_test_runtime

FEW, MANY = 10_000, 1_000_000
ASKED: Final = 30
PERSON: Final = "md5('person' || i)::uuid"
SINCE: Final = "TIMESTAMPTZ '2025-01-01' + make_interval(secs => i % 31000000)"

SEEDS: Final = (
    f"""
    INSERT INTO customers (id, origin, source, first_name, last_name, name_key, province, created_at, updated_at)
    SELECT {PERSON}, 'import', 'shop', 'name' || i % 5000, 'family' || i % 9000,
           'name' || i % 5000 || ' family' || i % 9000, 'province-' || i % 31, {SINCE}, {SINCE}
    FROM generate_series(1, $1::integer) AS i
    """,
    f"""
    INSERT INTO phone_numbers (phone, person_id)
    SELECT '+98999000' || lpad(i::text, greatest(4, length(i::text)), '0'), {PERSON}
    FROM generate_series(1, $1::integer) AS i
    """,
    f"""
    INSERT INTO classifications (person_id, types, stage, classified_at, due_at, opened_at)
    SELECT {PERSON}, ARRAY[(ARRAY['new', 'regular', 'loyal', 'former'])[1 + i % 4]],
           (ARRAY['conversion', 'retention', 'loyalty', 'lapsed'])[1 + i % 4], {SINCE}, 'infinity', {SINCE}
    FROM generate_series(1, $1::integer) AS i
    """,
    f"""
    INSERT INTO purchases (id, person_id, fingerprint, amount_minor, currency, occurred_at, recorded_at)
    SELECT md5('purchase' || i)::uuid, {PERSON}, '', 1000000, 'IRR', {SINCE}, {SINCE}
    FROM generate_series(1, $1::integer) AS i
    """,
)
FACTS: Final = (
    f"""
    INSERT INTO purchases (purchase_id, person_id, occurred_at, amount_minor, discount_minor, currency)
    SELECT md5('purchase' || i)::uuid, {PERSON}, {SINCE}, 1000000, 0, 'IRR' FROM generate_series(1, $1::integer) AS i
    """,
    f"INSERT INTO dirty (person_id) SELECT {PERSON} FROM generate_series(1, $1::integer) AS i",
)  # fmt: skip

FOUND: Final = 20
"""How many are asked for by a name: no more than ten thousand customers have of it, so both answers are of one size."""

READS: Final[Mapping[str, tuple[str, str]]] = {
    "list of customers": ("customers", "/v1/customers?limit=50"),
    "list of loyal customers": ("customers", "/v1/customers?limit=50&type=loyal"),
    "customers by name": ("customers", f"/v1/customers?limit={FOUND}&name=name77"),
    "list of purchases": ("customers", "/v1/purchases?limit=50"),
    "who calls": ("customers", "/v1/customers/lookup?phone=%2B989990000777"),
    "one customer": ("customers", "/v1/customers/f0c2ebb7-6b25-00d1-c302-ea4c25aa9041"),
    "retention by month": ("metrics", "/v1/metrics/retention?from=2025-01-01&to=2026-01-01&interval=month"),
}


async def measure(bench: Bench) -> list[Row]:
    many = MANY // 10 if bench.quick else MANY
    async with AsyncExitStack() as stack:
        small = await stack.enter_async_context(filled(bench, FEW))
        large = await stack.enter_async_context(filled(bench, many))
        return [await compared(bench, what, small[name], large[name], path) for what, (name, path) in READS.items()]


async def compared(bench: Bench, what: str, small: httpx.AsyncClient, large: httpx.AsyncClient, path: str) -> Row:
    """Ask both the same, in turns; return how much longer the larger takes."""
    bench.say(what)
    times = await interleaved(bench.rounds, {"ours": lambda: asked(large, path), "theirs": lambda: asked(small, path)})
    row = Row(
        what=f"{what}, at a million customers",
        yardstick="the same at 10,000",
        goal=at_most(1.5),
        ours=times["ours"],
        theirs=times["theirs"],
        unit="s",
    )
    return await bench.examine(row, lambda: asked(large, path))


async def asked(http: httpx.AsyncClient, path: str) -> float:
    """Return the mean seconds of an answer."""
    began = time.perf_counter()
    for _ in range(ASKED):
        reply = await http.get(path)
        assert reply.is_success, reply.text
    return (time.perf_counter() - began) / ASKED


@asynccontextmanager
async def filled(bench: Bench, count: int) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Lend clients of customers and metrics that hold `count` people with a purchase each."""
    async with AsyncExitStack() as stack:
        customers = await stack.enter_async_context(open_test_runtime(bench.server, CUSTOMERS))
        metrics = await stack.enter_async_context(open_test_runtime(bench.server, METRICS))
        bench.say(f"making {count:,} customers")
        for runtime, statements in ((customers, SEEDS), (metrics, FACTS)):
            await _seed(runtime, statements, count)
        bench.say(f"folding {count:,} purchases")
        await _fold(metrics)
        yield {
            runtime.service.name: await stack.enter_async_context(client(runtime)) for runtime in (customers, metrics)
        }


async def _seed(runtime: Runtime, statements: tuple[str, ...], count: int) -> None:
    connection = await asyncpg.connect(runtime.db.url, server_settings={"search_path": "public,state"})
    try:
        await connection.execute("SET synchronous_commit = off")
        for statement in statements:
            await connection.execute(statement, count)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _fold(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        while await connection.fetchval("SELECT EXISTS (SELECT FROM dirty)"):
            await fold(runtime)
        await connection.execute("VACUUM ANALYZE")
