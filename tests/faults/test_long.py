"""The long trials, `make faults`: seeded by SEED, MINUTES long, each ending by itself with a report."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.embedded import SERVICES
from services.kafka import KafkaBroker
from tests.faults import injuries, outages
from tests.faults.keeping import kept
from tests.faults.servers import OwnServer
from tests.faults.trial import SETTINGS, Trial
from tests.support.deployments import apart, embedded, free_port
from tests.support.postgres import TestServer

pytestmark = [pytest.mark.faults_long, pytest.mark.timeout(1_800)]

SEED = int(os.environ.get("SEED", "1"))
MINUTES = float(os.environ.get("MINUTES", "3"))
KILLS = 20
BETWEEN_KILLS = 30
"""So many requests are acknowledged before a process that is everything is killed again."""


@asynccontextmanager
async def on_kafka(shared: TestServer, folder: Path) -> AsyncIterator[tuple[Trial, OwnServer, KafkaBroker]]:
    """Lend a trial of ten processes on a broker and a database server of their own."""
    server = OwnServer(folder)
    await server.start()
    try:
        with KafkaBroker(folder / "kafka") as broker:
            async with apart(
                server, folder, broker.bootstrap_servers, run=kept, settings=SETTINGS, outside=shared
            ) as deployment:
                yield Trial(deployment, SEED, lives=8), server, broker
    finally:
        await server.stop()


async def judge(trial: Trial, findings: list[str]) -> None:
    trial.say("\n" + trial.report(findings))
    assert not findings, "\n".join(findings)


def assert_aimed_kills_met(trial: Trial) -> None:
    """Each kind of moment was met by a kill; one that was missed counts among those at random."""
    for what in ("a relay in mid-batch", "a consumer in mid-batch", "a sender between acceptance and mark"):
        assert trial.done[f"kill -9: {what}"] > 0, what


async def test_processes_apart_on_kafka_are_killed_twenty_times_and_more(server: TestServer, tmp_path: Path) -> None:
    async with on_kafka(server, tmp_path) as (trial, _, _):
        await judge(trial, await trial.suffer(_kill_parts))

        killed = {name: process.killed for name, process in trial.processes.items()}
        assert sum(killed.values()) >= KILLS
        assert sum(times for name, times in killed.items() if name.endswith(" api")) >= KILLS // 5
        assert_aimed_kills_met(trial)


async def _kill_parts(trial: Trial) -> None:
    end = time.monotonic() + MINUTES * 60
    names = [service.name for service in SERVICES]
    kills = 0
    while kills < KILLS or time.monotonic() < end:
        of_all, talkative = trial.chance.choice(names), trial.chance.choice(("leads", "customers", "messaging"))
        match kills % 5:
            case 0:
                await injuries.kill_sender_after_acceptance(trial, "messaging worker")
            case 1:
                await injuries.kill_relay_in_mid_batch(trial, f"{talkative} worker", talkative)
            case 2:
                await injuries.kill_consumer_in_mid_batch(trial, f"{of_all} worker", of_all)
            case 3:
                await injuries.kill_at_random(trial, f"{talkative} api")
            case _:
                await injuries.kill_at_random(trial, f"{of_all} {trial.chance.choice(('api', 'worker'))}")
        kills += 1


async def test_broker_and_database_server_are_away_for_half_a_minute_each(server: TestServer, tmp_path: Path) -> None:
    async with on_kafka(server, tmp_path) as (trial, own, broker):

        async def breaking(trial: Trial) -> None:
            await outages.outage(trial, "broker killed", "broker", outages.killed(broker))
            await outages.outage(trial, "broker frozen", "broker", outages.frozen_broker(broker))
            await own.terminate_backends()
            await injuries.ready(trial, within=outages.RECOVERY_S)
            await outages.outage(trial, outages.STOPPED, "database", outages.stopped(own))
            await outages.outage(trial, "database server frozen", "database", outages.frozen_server(own))

        await judge(trial, await trial.suffer(breaking))


async def test_the_embedded_process_is_killed_whole_twenty_times_and_more(tmp_path: Path) -> None:
    async with embedded(tmp_path, port=free_port(), run=kept, settings=SETTINGS) as deployment:
        trial = Trial(deployment, SEED, lives=6)

        await judge(trial, await trial.suffer(_kill_whole))

        assert trial.processes["peyvand"].killed >= KILLS
        assert_aimed_kills_met(trial)


async def _kill_whole(trial: Trial) -> None:
    names = [service.name for service in SERVICES]
    for kills in range(KILLS):
        await injuries.breathe(trial, BETWEEN_KILLS)
        service = trial.chance.choice(names)
        match kills % 4:
            case 0:
                await injuries.kill_sender_after_acceptance(trial, "peyvand")
            case 1:
                await injuries.kill_relay_in_mid_batch(trial, "peyvand", service)
            case 2:
                await injuries.kill_consumer_in_mid_batch(trial, "peyvand", service)
            case _:
                await injuries.kill_at_random(trial, "peyvand")
