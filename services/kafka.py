"""A Kafka broker of our own where there is no Docker: for tests and `make up-local`. Needs Java 17 and Maven.

One node that is broker and controller, on loopback. Maven fetches its libraries once into `.cache/kafka`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.ids import new_id

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ROOT / ".cache" / "kafka"
START_S = 60
STOP_S = 20


class KafkaFailed(Exception):
    """The broker could not be fetched or started; the message says why."""


def missing() -> str | None:
    """Say in a sentence what is missing to run a broker here, if anything."""
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"Kafka is left out: {' and '.join(absent)} not found (Java 17 and Maven are needed)." if absent else None


def fetch_libraries() -> Path:
    """Let Maven fetch the broker's libraries if they are not here yet; a fetch that was cut short is done again."""
    if LIBRARIES.exists():
        return LIBRARIES
    LIBRARIES.parent.mkdir(parents=True, exist_ok=True)
    fetched = LIBRARIES.with_name(f"kafka-{os.getpid()}")
    done = subprocess.run(  # noqa: S603
        ["mvn", "-q", "-B", "-f", ROOT / "deploy/kafka/pom.xml", "dependency:copy-dependencies",  # noqa: S607
         f"-DoutputDirectory={fetched}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise KafkaFailed(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-1000:]}")
    try:
        fetched.rename(LIBRARIES)
    except OSError:  # another process was first
        shutil.rmtree(fetched)
    return LIBRARIES


class KafkaBroker:
    """A broker on a data folder; `bootstrap_servers` is where it answers. It survives a kill and starts again."""

    def __init__(self, data: Path, port: int | None = None, controller_port: int | None = None) -> None:
        self.data = data.absolute()
        self.port = port or _free_port()
        self.controller_port = controller_port or _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker, on a data folder that is made where there is none, and wait until it listens."""
        command = self.prepare()
        with (self.data / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603
        self._wait_until_it_listens()

    def prepare(self, heap: str = "1g") -> list[str]:
        """Format the data folder if it is new, and return the command that runs the broker on it."""
        libraries = fetch_libraries()
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self.data / "server.properties"
        properties.write_text(self._properties())
        if not (self.data / "log" / "meta.properties").exists():
            self._java(libraries, "kafka.tools.StorageTool", "format", "-t", new_id().hex[:22], "-c", str(properties))
        return ["java", f"-Xmx{heap}", "-cp", f"{libraries}/*", "kafka.Kafka", str(properties)]

    def stop(self) -> None:
        """Stop the broker; one that does not end in time is killed."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait(self) -> None:
        """Wait until the broker ends."""
        if self.process is not None:
            self.process.wait()

    def kill(self) -> None:
        """End the broker as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise KafkaFailed(f"Kafka ended at its start: {(self.data / 'broker.log').read_text()[-1000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise KafkaFailed(f"Kafka did not listen on port {self.port} within {START_S} s.")

    def _java(self, libraries: Path, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            ["java", "-cp", f"{libraries}/*", *arguments],  # noqa: S607
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise KafkaFailed(f"{arguments[0]} failed: {(done.stdout + done.stderr).strip()[-1000:]}")

    def _properties(self) -> str:
        return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self.controller_port}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={self.data / "log"}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
