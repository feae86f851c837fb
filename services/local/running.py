"""Running the distributed deployment on this machine, from nothing to `ready`, until it is told to stop."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import httpx

from services.data_folder import CannotStart, hold_folder, write_private, write_token
from services.kafka import KafkaFailed, fetch_libraries
from services.local.panel import ensure_sandbox
from services.local.ports import HOST, Ports, listens, ports, refuse_taken
from services.local.programs import Machine
from services.local.supervision import Supervisor
from services.postgres import PostgresFailed
from shared.routes import SERVICE_NAMES

ROLES = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
NEEDED = {"nginx": "nginx", "java": "Java 17", "mvn": "Maven"}
STORES_S = 90.0
READY_S = 90.0
PACE_S = 0.2

Say = Callable[[str], None]


class Stopped(BaseException):
    """SIGINT or SIGTERM came."""


def run_local(data: Path, port: int, first_port: int, replicas: int, *, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Says each step, then the addresses, then `ready`.

    Raises `CannotStart` where a program is missing, the data are in use, a port is taken or something does not start.
    """
    _refuse_missing()
    try:
        with hold_folder(data), _stopped_by_signals():
            _run(data, port, first_port, replicas, say)
    except Stopped:
        say("stopped")
    except (KafkaFailed, PostgresFailed) as failure:
        raise CannotStart(str(failure)) from None


def _run(data: Path, port: int, first_port: int, replicas: int, say: Say) -> None:
    say("Preparing PostgreSQL and Kafka")
    (data / "local").mkdir(exist_ok=True)
    Supervisor((data / "local").absolute(), {}).end_leftovers()
    chosen = ports(port, first_port, replicas)
    refuse_taken(chosen)
    machine = Machine(data, chosen)
    fetch_libraries()
    machine.postgres.prepare()
    with Supervisor(machine.folder, machine.groups()) as supervisor:
        start(machine, supervisor, say)
        for line in addresses(machine, supervisor, write_token(data)):
            say(line)
        while not supervisor.ended():
            time.sleep(PACE_S)
    raise CannotStart(f"The supervisor ended; {machine.folder / 'supervisord.log'} says why.")


def start(machine: Machine, supervisor: Supervisor, say: Say) -> None:
    """Start the stores, make databases, tables and topics, and start the rest; return once all of it is ready."""
    say("Starting PostgreSQL and Kafka")
    supervisor.start("stores")
    for title, port in (("PostgreSQL", machine.ports.postgres), ("Kafka", machine.ports.kafka)):
        _await(partial(listens, port), f"{title} does not answer", STORES_S)
    machine.postgres.run_sql(ROLES, machine.ports.postgres, machine.passwords())
    write_private(machine.folder / "environment", _operators(machine))
    say("Migrating the databases")
    _migrate(machine)
    say("Starting the services, the sandbox and nginx")
    supervisor.start("services")
    supervisor.start("ingress")
    _await_ready(machine.ports)
    ensure_sandbox(machine.address, HOST, machine.ports.mail, write_token(machine.data).read_text())


def addresses(machine: Machine, supervisor: Supervisor, token: Path) -> list[str]:
    """Return what a newcomer needs to know, the last line beginning with `ready`."""
    docs = [f"{machine.address}/docs/{name}" for name in SERVICE_NAMES]
    peyvand = shlex.quote(str(Path(sys.executable).with_name("peyvand")))
    control = shlex.join([sys.executable, "-m", "supervisor.supervisorctl", "-c", str(supervisor.configuration)])
    return [
        f"API docs   {docs[0]}",
        *(f"           {address}" for address in docs[1:]),
        f"Sandbox    {machine.address}/sandbox",
        f"Dashboard  {machine.address}/dashboard",
        f"Token      {token}",
        f"Logs       {machine.folder / 'log'}",
        f"Control    {control} status",
        f"Operating  set -a; . {machine.folder / 'environment'}; set +a; then {peyvand} dlq, rebuild, restate, topics",
        f"ready at {machine.address}",
    ]


def _refuse_missing() -> None:
    missing = [title for program, title in NEEDED.items() if shutil.which(program) is None]
    if missing:
        raise CannotStart(f"{' and '.join(missing)} not found. `make run` needs none of them.")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `Stopped`, and let nothing interrupt the stopping itself."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    yield


def _migrate(machine: Machine) -> None:
    """Migrate all databases, each as the role that may change its tables, and make the topics."""
    environment = {"PATH": os.environ["PATH"], **_settings(machine)}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "migrate"], env=environment, cwd=ROLES.parents[2],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotStart(f"The databases could not be migrated: {done.stdout[-1000:]}")


def _operators(machine: Machine) -> str:
    """Return the settings of all services for a shell."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in _settings(machine).items())


def _settings(machine: Machine) -> dict[str, str]:
    """Return the settings of all services, the roles that may change tables included."""
    return {name: value for service in SERVICE_NAMES for name, value in machine.of_migration(service).items()}


def _await_ready(chosen: Ports) -> None:
    """Wait until each process is ready, and the ingress answers."""
    asked = [port for name in SERVICE_NAMES for port in (chosen.workers[name], *chosen.apis[name])]
    for port in asked:
        _await(partial(_answers, f"http://{HOST}:{port}/readyz"), f"Port {port} is not ready", READY_S)
    for path in ("healthz", "sandbox"):
        url = f"http://{HOST}:{chosen.ingress}/{path}"
        _await(partial(_answers, url), f"{url} does not answer", READY_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def _await(held: Callable[[], bool], otherwise: str, within: float) -> None:
    deadline = time.monotonic() + within
    while not held():
        if time.monotonic() > deadline:
            raise CannotStart(f"{otherwise} after {within:.0f} s.")
        time.sleep(PACE_S)
