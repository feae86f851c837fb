"""One Kafka broker for the whole run, started by the first test that needs it."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kafka import KafkaBroker

SHORT_LIVES = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""What halves the processor time of a broker's start: compile once, and collect garbage in one thread."""

_started: list[KafkaBroker] = []
"""The run's broker, where this process started it."""


def expect_short_lives() -> None:
    """Have every Java program that this process and its children start spare itself what pays in hours only."""
    os.environ.setdefault("JDK_JAVA_OPTIONS", SHORT_LIVES)


def bootstrap_servers(folder: Path) -> str:
    """Return where the run's broker answers; the first caller of all test workers starts it."""
    address, pid = folder / "kafka.address", folder / "kafka.pid"
    with (folder / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            broker = KafkaBroker(folder / "kafka")
            broker.start()
            _started.append(broker)
            if broker.process is not None:
                pid.write_text(str(broker.process.pid))
            address.write_text(broker.bootstrap_servers)
        return address.read_text()


@contextmanager
def own_broker(folder: Path) -> Iterator[str]:
    """Lend a broker to one test, which may use topics by their real names, or end it."""
    with KafkaBroker(folder / "kafka") as broker:
        yield broker.bootstrap_servers


def leave() -> None:
    """Let go of the run's broker, if this process started it: others may need it still, and the run's first ends it.

    Its process is noted as ended, which nobody here waits for, or Python would take it for forgotten.
    """
    for broker in _started:
        if broker.process is not None:
            broker.process.returncode = 0
    _started.clear()


def stop(folder: Path) -> None:
    """End the run's broker, if one was started. Nothing that it holds is wanted any more."""
    pid = folder / "kafka.pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGKILL)
