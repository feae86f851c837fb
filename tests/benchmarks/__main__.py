"""`python -m tests.benchmarks [name …]`: measure, print the table, keep it as JSON under `.build/bench/`.

Ends with 1 where a goal was missed. The long load (`soak --minutes 10`) runs only when it is named.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shutil
import sys
import time
from pathlib import Path

import structlog
import uvloop

from services.postgres import DURABLE
from shared.garbage import settle_collector
from tests.benchmarks import machine, report
from tests.benchmarks.harness import Bench, LeftOut, Row
from tests.support.postgres import TestServer

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / ".build" / "bench"
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
SOAK = "soak"


def main() -> None:
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    names = options.names or [name for name in NAMES if name != SOAK]
    began = time.monotonic()
    results = RESULTS / time.strftime("%Y%m%dT%H%M%S")
    results.mkdir(parents=True)
    server = TestServer(DURABLE | {"shared_buffers": "512MB", "max_connections": "300"})
    bench = Bench(server, results, rounds=options.rounds, quick=options.quick, minutes=options.minutes)
    try:
        settle_collector()
        rows = uvloop.run(run(bench, names))
    finally:
        bench.close()
        server.stop()
    missed = sum(not row.met for row in rows)
    print(f"{len(rows)} figures in {time.monotonic() - began:.0f} s, {missed} short of their goal; kept in {results}")
    sys.exit(1 if missed else 0)


async def run(bench: Bench, names: list[str]) -> list[Row]:
    """Measure one after the other; return all rows."""
    facts = await machine.describe(bench.server)
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for name in names:
        print(f"{name}:", flush=True)
        try:
            rows += await importlib.import_module(f"tests.benchmarks.bench_{name}").measure(bench)
        except LeftOut as reason:
            left_out[name] = str(reason)
        report.keep(bench.results / "figures.json", facts, rows, left_out)
    facts["load after"] = f"{os.getloadavg()[0]:.2f}"
    report.keep(bench.results / "figures.json", facts, rows, left_out)
    shutil.copy(bench.results / "figures.json", RESULTS / "latest.json")
    report.show(facts, rows, left_out)
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", help=f"which to run, of {', '.join(NAMES)}; all but the soak without any")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds whose median is taken")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to see whether it runs")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the soak lasts")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return options


if __name__ == "__main__":
    main()
