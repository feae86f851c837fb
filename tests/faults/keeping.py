"""Processes that are started again whenever they end, as a supervisor does it, and that a test may kill or freeze."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from tests.support.eventually import eventually
from tests.support.processes import Running, end, start

PAUSE_S = 0.5
"""How long the keeper waits before it starts a process again."""


@dataclass(slots=True)
class Kept(Running):
    """A process that is kept running. `killed` counts the ends that were asked for, `ended` holds all exit codes."""

    killed: int = 0
    ends: list[int] = field(default_factory=list)

    async def kill(self) -> None:
        """End it as a power cut would, once it runs, and return when it is gone."""
        await eventually(lambda: self.process.returncode is None)
        self.killed += 1
        dying = self.process
        dying.kill()
        await dying.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still for the length of the block."""
        number = self.process.pid
        os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(number, signal.SIGCONT)

    @property
    def died_by_itself(self) -> list[int]:
        """Return the exit codes of ends that nobody asked for."""
        unasked = [code for code in self.ends if code != -signal.SIGKILL]
        return unasked + [-signal.SIGKILL] * max(len(self.ends) - len(unasked) - self.killed, 0)


@asynccontextmanager
async def kept(arguments: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Running]:
    """Keep `python -m …` running for the length of the block.

    What it says is read with the logs of the suite; the long trials, whose progress is watched as it goes, keep quiet.
    """
    process = Kept(await start(arguments, environment), logs=sys.stderr is not sys.__stderr__)
    keeping = asyncio.create_task(_keep(process, arguments, environment))
    try:
        yield process
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await end(process.process)


async def _keep(process: Kept, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    while True:
        await process.read()
        process.ends.append(await process.process.wait())
        await asyncio.sleep(PAUSE_S)
        process.process = await start(arguments, environment)


def as_kept(process: Running) -> Kept:
    """Return a process of a deployment that was started by `kept`."""
    assert isinstance(process, Kept)
    return process
