"""Which port each process of a deployment on this machine answers on; all of them on loopback."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from services.data_folder import CannotStart
from shared.routes import SERVICE_NAMES

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ingress', and those that only it and the services among themselves use."""

    ingress: int
    postgres: int
    kafka: int
    kafka_controller: int
    sandbox: int
    mail: int
    workers: dict[str, int]
    apis: dict[str, tuple[int, ...]]

    def all(self) -> list[int]:
        """Return every port."""
        stores = [self.postgres, self.kafka, self.kafka_controller, self.sandbox, self.mail]
        return [self.ingress, *stores, *self.workers.values(), *itertools.chain(*self.apis.values())]


def ports(ingress: int, first: int, replicas: int) -> Ports:
    """Return the ports of a deployment with `replicas` of each API; inner ones from `first` on, 0 means free ones."""
    numbers = itertools.count(first) if first else _free()
    postgres, kafka, kafka_controller, sandbox, mail = itertools.islice(numbers, 5)
    return Ports(
        ingress=ingress or unused(),
        postgres=postgres,
        kafka=kafka,
        kafka_controller=kafka_controller,
        sandbox=sandbox,
        mail=mail,
        workers={name: next(numbers) for name in SERVICE_NAMES},
        apis={name: tuple(itertools.islice(numbers, replicas)) for name in SERVICE_NAMES},
    )


def refuse_taken(wanted: Ports) -> None:
    """Raise `CannotStart` where something else listens on one of the ports."""
    for port in wanted.all():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise CannotStart(f"Port {port} cannot be used: {error.strerror}. Name others.") from None


def unused() -> int:
    """Return a port that nobody listens on."""
    return next(_free())


def listens(port: int) -> bool:
    """Say whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _free() -> Iterator[int]:
    """Yield ports that nobody listens on, each once."""
    probes: list[socket.socket] = []
    try:
        while True:
            probe = socket.socket()
            probes.append(probe)
            probe.bind((HOST, 0))
            yield probe.getsockname()[1]
    finally:
        for probe in probes:
            probe.close()
