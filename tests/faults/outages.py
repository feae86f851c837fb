"""Outages of what a deployment stands on: the broker and the database server, for as long as the long trial says."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx

from services.embedded import SERVICES
from services.kafka import KafkaBroker
from tests.faults.caller import Caller
from tests.faults.injuries import ready
from tests.faults.ledger import Person
from tests.faults.load import Life
from tests.faults.servers import OwnServer
from tests.faults.trial import Trial
from tests.support.eventually import eventually

LASTS_S = 30.0
RECOVERY_S = 15.0
SEEN_S = 25.0
WRITTEN_S = 5.0
STOPPED = "database server stopped"
FIRST_NUMBER = 100
"""Of those who are captured meanwhile; the load's people have higher ones."""

Cause = Callable[[], AbstractAsyncContextManager[None]]


async def outage(trial: Trial, what: str, part: str, cause: Cause) -> None:
    """Let a cause last; readiness has to name the part, and within 15 s of its end all is well and requests go on.

    Meanwhile writes go on without the broker; without the database they are turned away, with 503 and nothing else,
    or wait for one that stands still for no longer than they may.
    """
    turned_away = trial.ledger.turned_away
    async with cause():
        began = time.monotonic()
        await eventually(lambda: _names(trial, part), within=SEEN_S, every=0.5)
        trial.say(f"{what}; readiness says so after {time.monotonic() - began:.1f} s")
        if part == "broker":
            await _write(trial)
        await asyncio.sleep(max(began + LASTS_S - time.monotonic(), 0))
    ended = time.monotonic()
    acknowledged = trial.ledger.acknowledged
    await ready(trial, within=RECOVERY_S)
    await eventually(lambda: trial.ledger.acknowledged > acknowledged, within=RECOVERY_S)
    assert what != STOPPED or trial.ledger.turned_away > turned_away
    assert trial.ledger.gave_up == 0, "The ingress has waited for a service in vain."
    trial.done[what] += 1
    trial.say(f"{what}: over, and all well {time.monotonic() - ended:.1f} s after")


async def _write(trial: Trial) -> None:
    """Capture somebody, who is acknowledged at once; that it reaches their phone in the end is for the checker."""
    person = Person(f"0999000{FIRST_NUMBER + trial.done.total():04d}", "سارا")
    trial.ledger.people.append(person)
    async with trial.deployment.client() as http, asyncio.timeout(WRITTEN_S):
        await Life(Caller(http, trial.ledger, trial.chance, cuts=0), person, trial.chance).capture()
    trial.say("somebody was captured meanwhile")


async def _names(trial: Trial, part: str) -> bool:
    """Tell whether every service says that the part is not well, and why."""
    async with trial.deployment.client() as http:
        for service in SERVICES:
            try:
                parts = (await http.get(trial.deployment.readiness(service.name))).json().get("parts", {})
            except (httpx.TransportError, ValueError):
                return False
            if parts.get(part, {"ok": True})["ok"] or not parts[part]["why"]:
                return False
    return True


def killed(broker: KafkaBroker) -> Cause:
    """Kill the broker, and start it again at the end."""

    @asynccontextmanager
    async def cause() -> AsyncIterator[None]:
        await asyncio.to_thread(broker.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(broker.start)

    return cause


def frozen_broker(broker: KafkaBroker) -> Cause:
    """Let the broker stand still."""

    @asynccontextmanager
    async def cause() -> AsyncIterator[None]:
        assert broker.process is not None
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)

    return cause


def stopped(server: OwnServer) -> Cause:
    """Stop the database server, and start it again at the end."""

    @asynccontextmanager
    async def cause() -> AsyncIterator[None]:
        await server.stop()
        try:
            yield
        finally:
            await server.start()

    return cause


def frozen_server(server: OwnServer) -> Cause:
    """Let the database server stand still."""

    @asynccontextmanager
    async def cause() -> AsyncIterator[None]:
        with server.frozen():
            yield

    return cause
