"""Ten thousand purchases a request, against COPY of the rows that come of it, the outbox's among them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg
import httpx
import orjson

from services.customers.app import SERVICE
from shared.db import driver
from shared.service import Runtime
from tests.benchmarks.harness import Bench, Row, at_least, interleaved
from tests.support.api import client
from tests.support.runtimes import open_test_runtime

ITEMS = 10_000
CUSTOMERS = 5_000
COPIED = ("purchases", "purchase_lines", "outbox")
GENERATED = {"seq"}


@dataclass(slots=True)
class Import:
    """Requests of purchases that are all new, and copies of what the last of them wrote."""

    runtime: Runtime
    http: httpx.AsyncClient
    items: int
    number: count[int] = field(default_factory=count)
    rows: dict[str, tuple[list[str], Sequence[Any]]] = field(default_factory=dict)

    async def post(self) -> float:
        """Send one request of new purchases; return purchases a second."""
        body = orjson.dumps({"items": [self._item(next(self.number)) for _ in range(self.items)]})
        began = time.perf_counter()
        reply = await self.http.post("/v1/purchases/bulk", content=body, headers={"Content-Type": "application/json"})
        took = time.perf_counter() - began
        assert reply.json()["created"] == self.items, reply.text[:1000]
        return self.items / took

    async def copy(self) -> float:
        """Copy the rows of the last request into tables that are made alike; return purchases a second."""
        async with self.runtime.db.connection() as connection:
            await self._read(connection)
        began = time.perf_counter()
        async with self.runtime.db.transaction() as tx:
            for table, (columns, rows) in self.rows.items():
                await driver(tx).copy_records_to_table(f"copy_of_{table}", records=rows, columns=columns)
        return self.items / (time.perf_counter() - began)

    async def prepare(self) -> None:
        """Open the customers that buy, and make the tables to copy into, with the same indexes and checks."""
        people = [{"phones": [_phone(number)]} for number in range(CUSTOMERS)]
        reply = await self.http.post("/v1/customers/bulk", json={"items": people})
        assert reply.json()["created"] == CUSTOMERS, reply.text[:1000]
        async with self.runtime.db.connection() as connection:
            for table in COPIED:
                await connection.execute(f"CREATE TABLE copy_of_{table} (LIKE {table} INCLUDING ALL)")
            await connection.execute("TRUNCATE outbox")

    async def _read(self, connection: asyncpg.Connection) -> None:
        """Take what the last request wrote, and leave the outbox as a relay would."""
        for table in COPIED:
            rows = await connection.fetch(_UNREAD[table])
            columns = [name for name in rows[0].keys() if name not in GENERATED]  # noqa: SIM118  (of a record)
            self.rows[table] = columns, [tuple(row[name] for name in columns) for row in rows]
        await connection.execute("TRUNCATE outbox")

    def _item(self, number: int) -> dict[str, Any]:
        return {
            "source": "shop",
            "external_id": f"order-{number}",
            "phone": _phone(number * 7919 % CUSTOMERS),
            "occurred_at": "2026-03-01T12:00:00+03:30",
            "lines": [{"product": f"product-{number % 50}", "category": "food", "amount_minor": 1_000 + number}],
            "channel": "web",
        }


_UNREAD = {
    "purchases": "SELECT * FROM purchases WHERE recorded_at = (SELECT max(recorded_at) FROM purchases)",
    "purchase_lines": """
    SELECT * FROM purchase_lines WHERE purchase_id IN (
        SELECT id FROM purchases WHERE recorded_at = (SELECT max(recorded_at) FROM purchases))
    """,
    "outbox": "SELECT * FROM outbox ORDER BY seq",
}


async def measure(bench: Bench) -> list[Row]:
    async with open_test_runtime(bench.server, SERVICE) as runtime, client(runtime) as http:
        work = Import(runtime, http, ITEMS // 10 if bench.quick else ITEMS)
        await work.prepare()
        bench.say(f"{bench.rounds} rounds of {work.items} purchases")
        rates = await interleaved(bench.rounds, {"ours": work.post, "theirs": work.copy})
        row = Row(
            what=f"bulk purchases, {work.items:,} a request",
            yardstick="COPY of the same rows, the lines' and the outbox's too",
            goal=at_least(0.20),
            ours=rates["ours"],
            theirs=rates["theirs"],
            unit="purchases/s",
        )
        return [await bench.examine(row, work.post)]


def _phone(number: int) -> str:
    return f"0999000{number:04d}" if number < 10_000 else f"09990{number:06d}"
