"""`make up-local`: everything distributed on one machine, as somebody uses it who has no Docker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from services.data_folder import CannotStart
from services.local import running as local
from services.local.ports import listens, ports, refuse_taken
from tests.support.deployments import Deployment, environment_of, up_local
from tests.support.eventually import eventually
from tests.support.ingress import skip_without_nginx
from tests.support.story import tell, untold_of_people

LEAD = {"first_name": "سارا", "last_name": "نمونه", "phone": "۰۹۹۹ ۰۰۰ ۱۲۳۴", "source": "website"}
PROCESSES = ("services:leads-api", "services:messaging-worker", "ingress:nginx")
STORES = ("stores:kafka", "stores:postgres")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("needs_kafka")
async def test_what_dies_is_started_again_and_the_story_is_told_behind_nginx(tmp_path: Path) -> None:
    skip_without_nginx()
    async with up_local(tmp_path) as deployment:
        await outlives_the_death_of(PROCESSES, deployment, tmp_path)
        await tell(deployment)
        await untold_of_people(deployment)
        broker = int(environment_of(tmp_path)["PEYVAND_KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")[2])
    assert deployment.processes["peyvand"].lines[-1] == "stopped"
    assert not listens(broker)


@pytest.mark.faults_long
@pytest.mark.timeout(450)
@pytest.mark.usefixtures("needs_kafka")
async def test_a_start_after_everything_was_killed_goes_on_with_the_data(tmp_path: Path) -> None:
    skip_without_nginx()
    async with up_local(tmp_path) as deployment:
        lead = await outlives_the_death_of((*PROCESSES, *STORES), deployment, tmp_path)
        deployment.processes["peyvand"].send(signal.SIGKILL)
        await deployment.processes["peyvand"].ended()

    async with up_local(tmp_path) as deployment:
        assert await reads(deployment, lead)
        await tell(deployment)


async def outlives_the_death_of(programs: Sequence[str], deployment: Deployment, data: Path) -> str:
    """Kill programs at once, and wait until they run again and know a lead that was captured before; return its id."""
    async with deployment.client() as client:
        lead = str((await client.post("/v1/leads", json=LEAD)).raise_for_status().json()["id"])
    before = {name: pid_of(data, name) for name in programs}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: reads(deployment, lead), within=60, every=0.5)
    await eventually(lambda: not [name for name in programs if pid_of(data, name) in {0, before[name]}], within=60)
    return lead


def pid_of(data: Path, program: str) -> int:
    """Return the process id of a program that the supervisor keeps, 0 where it does not run."""
    configuration = str(data / "local" / "supervisord.conf")
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", configuration, "pid", program]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return int(said) if said.strip().isdecimal() else 0


async def reads(deployment: Deployment, lead_id: str) -> bool:
    async with deployment.client() as client:
        try:
            return (await client.get(f"/v1/leads/{lead_id}")).is_success
        except httpx.TransportError:
            return False


def test_a_program_that_is_missing_is_named_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotStart, match=r"^nginx and Java 17 and Maven not found\. `make run` needs none of them\.$"):
        local.run_local(tmp_path / "data", 0, 0, 1, say=lambda _line: None)


def test_a_port_that_is_taken_is_named_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=f"^Port {port} cannot be used"):
            refuse_taken(ports(port, 0, 1))


def test_no_two_processes_share_a_port_and_replicas_have_one_each() -> None:
    for first in (8100, 0):
        chosen = ports(8000, first, 3)

        assert len(chosen.all()) == len(set(chosen.all())) == 6 + 5 + 5 * 3
