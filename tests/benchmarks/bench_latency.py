"""Idle deployments: from a purchase to its figure, from a lead to the SMS on the phone, and what the processes weigh.

Everything in one process, and ten processes over Kafka behind one origin.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from services.demo.client import Api
from services.demo.preparing import ensure_sandbox_panel, ensure_staff
from services.kafka import missing
from shared.clock import utcnow
from tests.benchmarks.harness import Bench, Row, at_most, percentile
from tests.support.deployments import Deployment, apart, embedded
from tests.support.eventually import eventually

SAMPLES = 60
WARMING = 5
REST_S = 3.0
FIGURE, PHONE = 1.0, 2.0
LIGHT, HEAVY = 120.0, 180.0
UNLIMITED = {"PEYVAND_REQUESTS_PER_S": "0"}
"""One token asks for everybody here."""


@dataclass(slots=True)
class Idle:
    """A deployment that nobody else asks anything of."""

    deployment: Deployment
    client: httpx.AsyncClient
    number: int = 0

    def next_phone(self) -> str:
        self.number += 1
        return f"+98999000{self.number:04d}"

    async def to_figure(self) -> float:
        """Record a purchase; return the seconds until the figure of this year counts it."""
        before = await self.purchases()
        began = time.perf_counter()
        body = {"phone": self.next_phone(), "amount_minor": 1_000_000}
        (await self.client.post("/v1/purchases", json=body)).raise_for_status()
        await eventually(lambda: self._more_than(before), within=20, every=0.01)
        return time.perf_counter() - began

    async def to_phone(self) -> float:
        """Capture a lead; return the seconds until its phone shows an SMS."""
        phone = self.next_phone()
        began = time.perf_counter()
        body = {"source": "website", "phone": phone, "first_name": "سارا"}
        (await self.client.post("/v1/leads", json=body)).raise_for_status()
        await eventually(lambda: self._texts(phone), within=20, every=0.01)
        return time.perf_counter() - began

    async def purchases(self) -> int:
        """Return how many purchases of these days the figure counts."""
        now = utcnow()
        span = {"from": f"{now - timedelta(days=1):%Y-%m-%d}", "to": f"{now + timedelta(days=2):%Y-%m-%d}"}
        reply = (await self.client.get("/v1/metrics/purchases", params=span)).raise_for_status()
        return int(reply.json()["points"][0]["count"])

    async def _more_than(self, count: int) -> bool:
        return await self.purchases() > count

    async def _texts(self, phone: str) -> list[Any]:
        reply = (await self.client.get("/sandbox/messages", params={"to": phone})).raise_for_status()
        found: list[Any] = reply.json()["items"]
        return found


async def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    shapes = ["embedded"] if missing() else ["embedded", "distributed"]
    for shape in shapes:
        async with open_idle(bench, shape) as idle:
            bench.say(f"{shape}: what the processes weigh at rest")
            await asyncio.sleep(REST_S)
            rows += [memory_row(bench, shape, name, run.process.pid) for name, run in idle.deployment.processes.items()]
            rows.append(await latency_row(bench, f"event to figure, {shape}, p99", idle.to_figure, FIGURE))
            rows.append(await latency_row(bench, f"capture to SMS on the phone, {shape}, p99", idle.to_phone, PHONE))
    return rows


@asynccontextmanager
async def open_idle(bench: Bench, shape: str) -> AsyncIterator[Idle]:
    """Start a deployment, with the sandbox as its panel and an agent on duty."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="peyvand-bench-", ignore_cleanup_errors=True)))
        bench.say(f"starting {shape}")
        if shape == "embedded":
            opening = embedded(folder, settings=UNLIMITED)
        else:
            opening = apart(bench.server, folder, bench.kafka(), settings=UNLIMITED)
        deployment = await stack.enter_async_context(opening)
        await asyncio.to_thread(_prepare, deployment)
        yield Idle(deployment, await stack.enter_async_context(deployment.client()))


def _prepare(deployment: Deployment) -> None:
    with Api(deployment.url, deployment.token_file.read_text().strip(), deployment.url) as api:
        ensure_sandbox_panel(api)
        ensure_staff(api)


async def latency_row(bench: Bench, what: str, sample: Callable[[], Awaitable[float]], goal_s: float) -> Row:
    """Measure one at a time; the first few warm up what is lazy."""
    for _ in range(WARMING):
        await sample()
    bench.say(f"{what}: {SAMPLES} times")
    times = [await sample() for _ in range(SAMPLES // 6 if bench.quick else SAMPLES)]
    note = f"p50 {statistics.median(times) * 1000:.0f} ms, most {max(times) * 1000:.0f} ms of {len(times)}"
    return Row(what=what, goal=at_most(goal_s), ours=percentile(times, 0.99), unit="s", note=note)


def memory_row(bench: Bench, shape: str, name: str, pid: int) -> Row:
    """Return what a process holds, what it shares with others in full; its proportional set is beside it.

    Of one that holds too much, what it holds is kept mapping by mapping.
    """
    sizes = {
        line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    }
    heavy = name == "metrics worker" or shape == "embedded"
    row = Row(
        what=f"memory at rest, {shape}, {name}",
        goal=at_most(HEAVY if heavy else LIGHT),
        ours=sizes["Rss"],
        unit="MB RSS",
        note=f"{sizes['Pss']:.0f} MB PSS, shared pages by the number of those who share them",
    )
    if row.met:
        return row
    held = Path(f"/proc/{pid}/smaps").read_text()
    return replace(row, profile=bench.keep(f"memory-{shape}-{name.replace(' ', '-')}.smaps.txt", held))
