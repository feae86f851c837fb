"""The watchdog: a loop that hangs ends its process, one that rests or works does not."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from shared.watchdog import EXIT_STATUS, Watchdog

ROOT = Path(__file__).parents[3]

BLOCKED = """
import asyncio, time
from shared.service import Clock
from shared.watchdog import Watchdog
from shared.worker import Worker

class Silent(Worker):
    def __init__(self):
        self.watchdog, self.stop = Watchdog(patience_s=0.3), asyncio.Event()

    async def hang(self):
        async def turn():
            {hang}
            return 0.0
        self.watchdog.start()
        await self._loop("consumer", turn)

asyncio.run(Silent().hang())
"""


def run(hang: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(hang=hang)
    return subprocess.run(  # noqa: PLW1510  (the status is what is asked for)
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_a_loop_that_never_returns_ends_the_process_with_a_plain_sentence() -> None:
    ended = run("await asyncio.Event().wait()")

    assert ended.returncode == EXIT_STATUS
    assert "No progress; the process ends, to be started anew." in ended.stdout + ended.stderr
    assert "consumer" in ended.stdout + ended.stderr


def test_a_loop_that_blocks_the_event_loop_ends_the_process_too() -> None:
    assert run("time.sleep(60)").returncode == EXIT_STATUS


def test_a_loop_that_rests_as_long_as_it_said_is_not_late() -> None:
    ended = threading.Event()
    watchdog = Watchdog(patience_s=0.2, end=ended.set)
    watchdog.start()
    watchdog.alive("clock", resting_s=60)
    watchdog.alive("gone")
    watchdog.forget("gone")

    assert not ended.wait(0.6)
    watchdog.alive("consumer")
    assert ended.wait(5)
    assert watchdog.late() == ["consumer"]
    watchdog.stop()
