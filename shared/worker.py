"""A service's worker: relay, consumer, drain, clocks and house-keeping, each a loop that outlives its failures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import chain, repeat

import structlog

from shared.bus import EMBEDDED_POLL_S, BusUnavailable
from shared.outbox.alignment import OldSendsPending, StillTakingOver
from shared.outbox.drain import drain
from shared.outbox.faults import sentence
from shared.outbox.housekeeping import FIRST_WITHIN_S, housekeeping
from shared.outbox.inbox import Inbox
from shared.outbox.lease import LeaseLost
from shared.outbox.relay import Relay
from shared.outbox.relearning import relearn_at_start
from shared.service import Clock, Runtime
from shared.watchdog import PATIENCE_S, Watchdog

RELAY_POLL_S = 0.05
STANDBY_S = 1.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
GRACE_S = 5.0
JITTER_S = 5.0

log = structlog.get_logger(__name__)


class Worker:
    """Everything of a service that nobody waits for. Any number of workers share the work out."""

    def __init__(self, runtime: Runtime, *, patience_s: float = PATIENCE_S) -> None:
        self.runtime = runtime
        self.watchdog = Watchdog(patience_s=patience_s)
        self.stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then end what is in hand, within a few seconds."""
        self.stop = stop
        await self._relearn()
        loops = {"relay": self._relay(), "drain": self._clock(Clock("drain", 1.0, drain))}
        if self.runtime.service.consumer.topics:
            loops["consumer"] = self._consume()
        for clock in (*self.runtime.service.clocks, *housekeeping(self.runtime)):
            loops[f"clock {clock.name}"] = self._clock(clock)
        tasks = [asyncio.create_task(loop, name=f"{self.runtime.service.name} {name}") for name, loop in loops.items()]
        self.watchdog.start()
        try:
            await self._until_stopped(tasks)
        finally:
            self.watchdog.stop()

    async def _relearn(self) -> None:
        """Take over what a restored database has lost, before anything is done twice; wait for a log that is away."""
        for wait_s in chain(BACKOFF_S, repeat(BACKOFF_S[-1])):
            if self.stop.is_set():
                return
            try:
                await relearn_at_start(self.runtime)
            except Exception as error:
                passing = isinstance(error, BusUnavailable)
                log.warning(
                    "start_waits", service=self.runtime.service.name, error=sentence(error), exc_info=not passing
                )
                await self._rest("start", wait_s)
            else:
                break
        self.watchdog.forget("start")

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(self.stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in done if task is not stopping]
            if not ended:
                await asyncio.wait(tasks, timeout=GRACE_S)
        finally:
            stopping.cancel()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _relay(self) -> None:
        relay, written = Relay(self.runtime), self.runtime.db.events_written
        poll_s = EMBEDDED_POLL_S if self.runtime.settings.mode == "embedded" else RELAY_POLL_S

        async def turn() -> float:
            written.clear()
            if not await relay.pending():
                return poll_s
            try:
                await relay.turn()
            except (LeaseLost, OldSendsPending):
                return STANDBY_S
            except StillTakingOver:
                pass
            return 0.0

        await self._loop("relay", turn, wake=written)
        with suppress(LeaseLost):
            await relay.release()

    async def _consume(self) -> None:
        inbox = Inbox(self.runtime)

        async def turn() -> float:
            try:
                await inbox.turn()
            except BusUnavailable:
                await inbox.close()
                raise
            return 0.0

        try:
            await self._loop("consumer", turn)
        finally:
            await inbox.close()

    async def _clock(self, clock: Clock) -> None:
        """Turn a clock at a fixed cadence from a random beginning; at once again while there is something to do."""
        within_s = FIRST_WITHIN_S.get(clock.name, min(clock.every_s, JITTER_S))
        due = time.monotonic() + random.random() * within_s  # noqa: S311  (jitter)
        await self._rest(f"clock {clock.name}", due - time.monotonic())

        async def turn() -> float:
            nonlocal due
            if await clock.turn(self.runtime) > 0:
                return 0.0
            due = max(due + clock.every_s, time.monotonic())
            return due - time.monotonic()

        await self._loop(f"clock {clock.name}", turn)

    async def _loop(
        self, name: str, turn: Callable[[], Awaitable[float]], *, wake: asyncio.Event | None = None
    ) -> None:
        """Turn until stopped, resting as long as each turn says; a failing turn is tried again, ever more slowly."""
        failures = 0
        while not self.stop.is_set():
            self.watchdog.alive(name)
            try:
                rest = await turn()
                failures = 0
            except Exception as error:
                rest = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                failures += 1
                log.warning(
                    "turn_failed",
                    service=self.runtime.service.name,
                    loop=name,
                    error=sentence(error),
                    failures=failures,
                    exc_info=not isinstance(error, BusUnavailable),
                )
            await self._rest(name, rest, wake=wake)
        self.watchdog.forget(name)

    async def _rest(self, name: str, seconds: float, *, wake: asyncio.Event | None = None) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self.watchdog.alive(name, resting_s=seconds)
        waits = [asyncio.create_task(event.wait()) for event in (self.stop, wake) if event is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
