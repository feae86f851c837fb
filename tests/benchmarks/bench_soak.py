"""Load for minutes at half of the highest rate: whether latency or memory grow, and whether everything is caught up."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tests.benchmarks.bench_latency import Idle, open_idle
from tests.benchmarks.harness import Bench, Row, at_most, percentile
from tests.support.eventually import eventually

HIGHEST_S = 10.0
WORKERS = 8
WINDOW_S = 10.0
CAUGHT_UP_S = 60.0
PHONES = 10_000


@dataclass(slots=True)
class Window:
    """What ten seconds were like: the 99th percentile of answers, and the memory of all processes after them."""

    at_s: float
    p99_s: float
    rss_mib: float
    requests: int


@dataclass(slots=True)
class Load:
    """Purchases, one request each, at a rate."""

    idle: Idle
    times: list[float] = field(default_factory=list)
    number: int = 0

    async def flat_out(self, seconds: float) -> float:
        """Ask as fast as a few callers can; return requests a second."""
        ends = time.perf_counter() + seconds

        async def call() -> None:
            while time.perf_counter() < ends:
                await self.once()

        self.times.clear()
        await asyncio.gather(*(call() for _ in range(WORKERS)))
        return len(self.times) / seconds

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Ask at a rate whatever the answers take, so that waiting counts."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for place in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, began + place / rate - time.perf_counter()))
                group.create_task(self.once())

    async def once(self) -> None:
        self.number += 1
        body = {"phone": f"+98999000{self.number % PHONES:04d}", "amount_minor": 1_000_000}
        began = time.perf_counter()
        (await self.idle.client.post("/v1/purchases", json=body)).raise_for_status()
        self.times.append(time.perf_counter() - began)


async def measure(bench: Bench) -> list[Row]:
    async with open_idle(bench, "embedded") as idle:
        load_ = Load(idle)
        highest = await load_.flat_out(HIGHEST_S)
        await caught_up(load_)
        bench.say(f"{bench.minutes:g} minutes at {highest / 2:.0f} requests a second, half of the highest rate")
        windows = await windows_of(bench, load_, highest / 2)
        behind_s = await caught_up(load_)
    bench.keep("soak.json", orjson.dumps(windows, option=orjson.OPT_INDENT_2).decode())
    return rows(windows, behind_s, highest)


async def windows_of(bench: Bench, load_: Load, rate: float) -> list[Window]:
    found: list[Window] = []
    began = time.perf_counter()
    while (at_s := time.perf_counter() - began) < bench.minutes * 60:
        load_.times.clear()
        await load_.at_rate(rate, WINDOW_S)
        found.append(Window(at_s, percentile(load_.times, 0.99), resident(load_.idle), len(load_.times)))
        bench.say(f"p99 {found[-1].p99_s * 1000:.0f} ms, {found[-1].rss_mib:.0f} MiB")
    return found


async def caught_up(load_: Load) -> float:
    """Wait until the figure counts every purchase that was answered for; return the seconds."""

    async def counted() -> bool:
        return await load_.idle.purchases() >= load_.number

    began = time.perf_counter()
    await eventually(counted, within=CAUGHT_UP_S, every=0.05)
    return time.perf_counter() - began


def resident(idle: Idle) -> float:
    """Return what all processes of the deployment hold in MiB."""
    kib = 0
    for run in idle.deployment.processes.values():
        status = Path(f"/proc/{run.process.pid}/status").read_text()
        kib += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return kib / 1024


def rows(windows: Sequence[Window], behind_s: float, highest: float) -> list[Row]:
    """Compare the last third with the one after the first, which warms up."""
    third = max(1, len(windows) // 3)
    middle, last = windows[third : 2 * third] or windows[:1], windows[-third:]
    note = f"at half of {highest:.0f} requests/s; medians of the middle and the last third"

    def pair(name: str) -> tuple[float, float]:
        return (
            statistics.median(getattr(window, name) for window in last),
            statistics.median(getattr(window, name) for window in middle),
        )

    p99, rss = pair("p99_s"), pair("rss_mib")
    return [
        Row("p99 of answers, late", at_most(1.5), p99[0], "s", p99[1], "the same before", note),
        Row("memory, late", at_most(1.05), rss[0], "MiB RSS", rss[1], "the same before", note),
        Row("lag back to 0", at_most(10), behind_s, "s"),
    ]
