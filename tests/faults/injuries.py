"""Ways to kill a deployment's processes: at random, or at the moment when it hurts most.

Nothing in the product helps: the moment is seen in the database, and whether it was met is read there after death.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import asyncpg
import httpx

from services.embedded import SERVICES
from tests.faults.trial import Trial
from tests.support.eventually import eventually

READY_S = 60.0
AIM_S = 10.0
"""How long an aimed kill waits for its moment, before it is one at random."""

BATCH_STORED = "SELECT EXISTS (SELECT FROM relay_batch)"
ATTEMPT_COUNTED = "SELECT EXISTS (SELECT FROM inbox WHERE attempts > 0)"
ON_THE_WAY = "SELECT address, text FROM messages WHERE status = 'sending' AND address LIKE '+98%'"
HELD_BY_PANEL = "SELECT EXISTS (SELECT FROM message WHERE mobile = $1 AND text = $2)"


async def kill_at_random(trial: Trial, name: str) -> None:
    """Kill a process whatever it is doing."""
    await asyncio.sleep(trial.chance.uniform(0.3, 2.0))
    await _kill(trial, name, "at random")


async def kill_relay_in_mid_batch(trial: Trial, name: str, service: str) -> None:
    """Kill a relay between the storing of a batch and its removal: the batch is on the wire, or has just been."""
    await _kill_when(trial, name, service, BATCH_STORED, "a relay in mid-batch")


async def kill_consumer_in_mid_batch(trial: Trial, name: str, service: str) -> None:
    """Kill a consumer between the counting of its attempt and the commit of its effects."""
    await _kill_when(trial, name, service, ATTEMPT_COUNTED, "a consumer in mid-batch")


async def kill_sender_after_acceptance(trial: Trial, name: str) -> None:
    """Kill a sender whose messages the panel has accepted, and which has not been told so yet."""
    async with trial.deployment.client() as http:
        fault = {"kind": "timeout_after_accept", "count": 1, "delay_s": 30}
        (await http.post("/sandbox/faults", json=fault)).raise_for_status()
    messaging = await asyncpg.connect(trial.deployment.databases["messaging"])
    sandbox = await asyncpg.connect(trial.deployment.databases["sandbox"])
    try:
        await _within(AIM_S, lambda: _accepted(messaging, sandbox))
        await trial.processes[name].kill()
        hit = await _accepted(messaging, sandbox)
    finally:
        await messaging.close()
        await sandbox.close()
    await _recovered(trial, name, "a sender between acceptance and mark" if hit else "at random")


async def _accepted(messaging: asyncpg.Connection, sandbox: asyncpg.Connection) -> bool:
    """Tell whether the panel holds a text that messaging does not know to be sent."""
    rows = await messaging.fetch(ON_THE_WAY)
    known = [await sandbox.fetchval(HELD_BY_PANEL, int(row["address"][3:]), row["text"]) for row in rows]
    return any(known)


async def _kill_when(trial: Trial, name: str, service: str, moment: str, what: str) -> None:
    connection = await asyncpg.connect(trial.deployment.databases[service])

    async def seen() -> bool:
        return bool(await connection.fetchval(moment))

    try:
        await _within(AIM_S, seen)
        await trial.processes[name].kill()
        hit = await seen()
    finally:
        await connection.close()
    await _recovered(trial, name, what if hit else "at random")


async def _within(seconds: float, seen: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as something is seen, or after `seconds`."""
    with contextlib.suppress(AssertionError):
        await eventually(seen, within=seconds, every=0)


async def _kill(trial: Trial, name: str, what: str) -> None:
    await trial.processes[name].kill()
    await _recovered(trial, name, what)


async def _recovered(trial: Trial, name: str, what: str) -> None:
    """Note a kill, and wait until everything is ready again."""
    trial.done[f"kill -9: {what}"] += 1
    died = time.monotonic()
    await ready(trial, within=READY_S)
    trial.say(f"{name} was killed, {what}; all ready after {time.monotonic() - died:.1f} s")


async def breathe(trial: Trial, requests: int) -> None:
    """Let the load get so many more requests acknowledged."""
    enough = trial.ledger.acknowledged + requests
    await eventually(lambda: trial.ledger.acknowledged >= enough, within=READY_S, every=0.1)


async def ready(trial: Trial, *, within: float) -> None:
    """Wait until every service says that it is ready."""
    async with trial.deployment.client() as http:

        async def all_ready() -> bool:
            answers = [await _readiness(http, trial.deployment.readiness(service.name)) for service in SERVICES]
            return all(answers)

        await eventually(all_ready, within=within, every=0.2)


async def _readiness(http: httpx.AsyncClient, address: str) -> bool:
    try:
        answer = await http.get(address)
    except httpx.TransportError:
        return False
    assert answer.is_success, answer.text[:300]
    return True
