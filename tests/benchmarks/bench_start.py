"""`make run` with the environment made: from the command to everything answering, on data that are new."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import IO

from tests.benchmarks.harness import Bench, Row, at_most
from tests.benchmarks.machine import ROOT

STARTS = 3
WITHIN_S = 60


async def measure(bench: Bench) -> list[Row]:
    times: dict[str, list[float]] = {"new": [], "kept": []}
    for _ in range(STARTS):
        with TemporaryDirectory(prefix="peyvand-bench-", ignore_cleanup_errors=True) as folder:
            for figures in times.values():
                figures.append(await _started(folder))
    bench.say(f"{STARTS} starts each")
    note = f"on the data of an earlier run {statistics.median(times['kept']):.1f} s"
    row = Row(what="cold start of make run", goal=at_most(8), ours=statistics.median(times["new"]), unit="s", note=note)
    return [row if row.met else replace(row, profile=await _imports(bench))]


async def _imports(bench: Bench) -> str:
    """Start once more, and keep how long each import takes; return the name of the file."""
    file = bench.results / "cold-start-of-make-run.imports.txt"
    with TemporaryDirectory(prefix="peyvand-bench-", ignore_cleanup_errors=True) as folder, file.open("wb") as said:
        await _started(folder, said, PYTHONPROFILEIMPORTTIME="1")
    return file.name


async def _started(data: str, said: IO[bytes] | None = None, **environment: str) -> float:
    """Run `make run` until it says that it is ready; return the seconds."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        "make", "--silent", "run", "PORT=0", f"DATA={data}", cwd=ROOT, env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE, stderr=said, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN_S):
            while process.stdout is not None and (line := await process.stdout.readline()):
                if line.startswith(b"ready"):
                    return time.perf_counter() - began
        raise RuntimeError("make run ended before it was ready.")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
