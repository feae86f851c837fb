"""A trial: a load against a deployment while somebody breaks it, then quiet, then the checker."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from services.demo.client import Api
from services.demo.preparing import ensure_sandbox_panel
from tests.faults import checker, figures
from tests.faults.keeping import Kept, as_kept
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.settling import connected, settle
from tests.support.deployments import Deployment

SETTLE_S = 180.0
LAST_WORDS = 40

SETTINGS = {
    "MESSAGING_REQUEST_TIMEOUT_S": "2",
    "MESSAGING_LEASE_S": "6",
    "MESSAGING_RECONCILE_FOR_S": "10",
    "PEYVAND_REQUESTS_PER_S": "0",
    "PEYVAND_PUBLIC_REQUESTS_PER_S": "0",
}
"""Shorter waits for panels than are usual, so that what a kill leaves is settled within a trial; as many requests as
a caller likes, who is one for all people."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checker has read: the log, and the figures."""

    logged: checker.Logged
    figures: dict[str, Any]


@dataclass(slots=True)
class Trial:
    """A deployment, the load on it, and what was done to it."""

    deployment: Deployment
    seed: int
    lives: int = 8
    ledger: Ledger = field(default_factory=Ledger)
    done: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    chance: random.Random = field(init=False)
    seen: Seen | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def processes(self) -> dict[str, Kept]:
        return {name: as_kept(process) for name, process in self.deployment.processes.items()}

    def say(self, text: str) -> None:
        """Print progress: the trial's clock, and how far the load is."""
        clock = time.monotonic() - self.began
        print(f"{clock:6.1f} s  {self.ledger.acknowledged:6} acknowledged  {text}", flush=True)  # noqa: T201

    async def suffer(self, break_it: Callable[[Trial], Coroutine[None, None, None]]) -> list[str]:
        """Run the load for as long as `break_it` takes, settle and check; return the findings."""
        try:
            async with self.deployment.client() as http:
                load = Load(http, self.seed, self.ledger)
                await self._live_through(load, break_it)
                await settle(self.deployment.databases, self.deployment.bus, within=SETTLE_S, say=self.say)
                self.say("settled")
                return await self._checked(load)
        except BaseException:
            self._say_last_words()
            raise

    async def _live_through(self, load: Load, break_it: Callable[[Trial], Coroutine[None, None, None]]) -> None:
        await asyncio.to_thread(self._hook_the_sandbox_up)
        await load.prepare()
        self.say(f"seed {self.seed}: {self.lives} people at a time")
        living = asyncio.create_task(load.run(self.lives))
        breaking = asyncio.create_task(break_it(self))
        try:
            await asyncio.wait([living, breaking], return_when=asyncio.FIRST_COMPLETED)
            load.stopping.set()
            self.say("no new people; the others live to their end")
            await asyncio.gather(living, breaking)
        finally:
            living.cancel()
            breaking.cancel()

    def _hook_the_sandbox_up(self) -> None:
        """Make the sandbox the panel, where it is not from the start."""
        deployment = self.deployment
        with Api(deployment.url, deployment.token_file.read_text().strip(), deployment.url) as api:
            ensure_sandbox_panel(api)

    def _say_last_words(self) -> None:
        """Print what the processes said last."""
        for name, process in self.processes.items():
            self.say("\n".join([f"{name} said last:", *process.lines[-LAST_WORDS:]]))

    async def _checked(self, load: Load) -> list[str]:
        logged, findings = await checker.read_log(self.deployment.bus)
        before = await figures.read_all(load.http)
        self.seen = Seen(logged, before)
        async with connected(self.deployment.databases) as connections:
            findings += checker.check_facts(logged, self.ledger)
            findings += await checker.check_databases(connections, logged, self.ledger)
            findings += await checker.check_phones(connections, self.ledger)
            self.done["texts on phones"] = await connections["sandbox"].fetchval("SELECT count(*) FROM message")
        self.done["facts on the log"] = sum(len(facts) for facts in logged.partitions.values())
        self.done["records sent twice, read once"] = logged.doubled
        findings += figures.check(before, self.ledger)
        self.done["records rebuilt from"] = await figures.make_anew(self.deployment)
        findings += figures.compare(before, await figures.read_all(load.http))
        findings += self.ledger.complaints
        findings += [f"{name} ended with {codes} by itself" for name, process in self.processes.items()
                     if (codes := process.died_by_itself)]  # fmt: skip
        return findings

    def report(self, findings: list[str]) -> str:
        """Return the figures of the trial, a line each."""
        ledger = self.ledger
        lines = {
            "seed": self.seed,
            "seconds": round(time.monotonic() - self.began),
            "people": len(ledger.people),
            "requests acknowledged": ledger.acknowledged,
            "sent again after no answer": ledger.retries,
            "connections cut by the caller": ledger.cut,
            "turned away with 503": ledger.turned_away,
            "given up by the ingress, 504": ledger.gave_up,
            **self.done,
            "findings": len(findings),
        }
        return "\n".join(f"  {what:32} {value}" for what, value in lines.items())
