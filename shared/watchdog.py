"""A watchdog: a process whose loops make no progress ends itself, so that its supervisor starts it anew."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog

PATIENCE_S = 120.0
CHECK_S = 1.0
EXIT_STATUS = 70

log = structlog.get_logger(__name__)


def end_process() -> None:
    """End the process at once: a loop that hangs would hang an orderly end too."""
    os._exit(EXIT_STATUS)


class Watchdog:
    """Loops promise when they will be heard of next; a thread, which a blocked event loop cannot stop, checks.

    The clock is the machine's monotonic one: a process that was suspended is not taken for one that hangs.
    """

    def __init__(self, *, patience_s: float = PATIENCE_S, end: Callable[[], None] = end_process) -> None:
        self.patience_s, self._end = patience_s, end
        self._deadlines: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def alive(self, loop: str, *, resting_s: float = 0.0) -> None:
        """Say that `loop` makes progress, and will be heard of again after `resting_s` and its work."""
        self._deadlines[loop] = time.monotonic() + resting_s + self.patience_s

    def forget(self, loop: str) -> None:
        """Say that `loop` ended as it should."""
        self._deadlines.pop(loop, None)

    def late(self) -> list[str]:
        """Return the loops that broke their promise."""
        now = time.monotonic()
        return sorted(loop for loop, deadline in list(self._deadlines.items()) if deadline < now)

    def _watch(self) -> None:
        while not self._stop.wait(min(CHECK_S, self.patience_s / 4)):
            if late := self.late():
                log.critical("No progress; the process ends, to be started anew.", loops=late, s=self.patience_s)
                self._end()
                return
