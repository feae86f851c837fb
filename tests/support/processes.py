"""Processes that a test starts, reads and ends; one that does not end by itself is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 15


@dataclass(slots=True)
class Running:
    """A process, and the lines that it has said."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    said: asyncio.Event = field(default_factory=asyncio.Event)
    logs: bool = False
    """Whether what it says is a log, which is passed on, to be read with the logs of the suite."""

    async def line(self, beginning: str, *, within: float = 60.0) -> str:
        """Return the first line that begins so; fail if the process ends or says none in time."""
        async with asyncio.timeout(within):
            while True:
                for line in self.lines:
                    if line.startswith(beginning):
                        return line
                if self.process.returncode is not None:
                    raise AssertionError(f"Ended with {self.process.returncode}:\n" + "\n".join(self.lines[-40:]))
                self.said.clear()
                await self.said.wait()

    async def ended(self, *, within: float = STOP_S) -> int:
        """Return the exit status."""
        async with asyncio.timeout(within):
            return await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def read(self) -> None:
        """Keep what the process says, until it closes its output."""
        stream = self.process.stdout
        while stream is not None and (line := await stream.readline()):
            self.lines.append(line.decode(errors="replace").rstrip())
            if self.logs:
                sys.stderr.write(self.lines[-1] + "\n")
            self.said.set()
        await self.process.wait()
        self.said.set()


async def start(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> asyncio.subprocess.Process:
    """Start `python -m …` in the checkout, or in another folder with our code."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments,
        cwd=folder, env=os.environ | (environment or {}), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=1 << 20,
    )  # fmt: skip


@asynccontextmanager
async def running(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path = ROOT,
    stop_s: float = STOP_S,
) -> AsyncIterator[Running]:
    """Run `python -m …` in the checkout, or in another folder with our code, for the length of the block."""
    process = await start(arguments, environment, folder)
    run = Running(process, logs="demo" not in arguments)
    reading = asyncio.create_task(run.read())
    try:
        yield run
    finally:
        await end(process, stop_s)
        await reading


async def end(process: asyncio.subprocess.Process, stop_s: float = STOP_S) -> None:
    """Ask a process to end; one that does not in time is killed."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(stop_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
