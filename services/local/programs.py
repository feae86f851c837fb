"""Every process of a deployment on this machine: its command, and the settings that it gets and no other does."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.data_folder import keys_in, secret_in
from services.kafka import KafkaBroker
from services.local.ingress import command, variables
from services.local.ports import HOST, Ports
from services.postgres import DURABLE, EmbeddedPostgres
from shared.routes import SERVICE_NAMES

KAFKA_HEAP = "512m"
DRAIN_S = 4
"""For how long an API that stops goes on answering; longer than the ingress keeps an idle connection to it."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process that a supervisor keeps running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"


class Machine:
    """A deployment on the data folder of this machine: what runs in it, and with what."""

    def __init__(self, data: Path, ports: Ports) -> None:
        self.data, self.folder, self.ports = data.absolute(), (data / "local").absolute(), ports
        self.postgres = EmbeddedPostgres(self.folder / "postgres", DURABLE | {"max_connections": "300"})
        self.kafka = KafkaBroker(self.folder / "kafka", ports.kafka, ports.kafka_controller)

    @property
    def address(self) -> str:
        """Return where everything answers."""
        return f"http://{HOST}:{self.ports.ingress}"

    def groups(self) -> dict[str, list[Program]]:
        """Return the programs in the order in which they are started; they are stopped in the other one."""
        return {"stores": self._stores(), "services": self._services(), "ingress": [self._ingress()]}

    def passwords(self) -> dict[str, str]:
        """Return the passwords of all roles, by the variables that deploy/postgres/roles.sql reads."""
        names = [f"{name}{kind}" for name in SERVICE_NAMES for kind in ("", "_migration")]
        return {f"{name.upper()}_PASSWORD": self._password(name) for name in (*names, "sandbox")}

    def common(self) -> dict[str, str]:
        """Return the settings that all services share."""
        keys_in(self.data)
        return {
            "PEYVAND_MODE": "distributed",
            "PEYVAND_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "PEYVAND_JWT_PUBLIC_KEY": str(self.data / "keys" / "public.pem"),
            "PEYVAND_SECRET_KEY": secret_in(self.data),
            "PEYVAND_TRUSTED_PROXIES": HOST,
            "PEYVAND_DRAIN_S": str(DRAIN_S if self._is_replicated() else 0),
            "MESSAGING_PRIVATE_NETWORKS": f"{HOST}/32",
            "MESSAGING_UNSUBSCRIBE_URL": self.address,
        }

    def of_service(self, name: str) -> dict[str, str]:
        """Return a service's settings, without its port."""
        return {**self.common(), f"{name.upper()}_DATABASE_URL": self._url(name, name)}

    def of_migration(self, name: str) -> dict[str, str]:
        """Return the settings of a service's migration, which alone knows the role that may change tables."""
        url = self._url(f"{name}_migration", name)
        return {**self.of_service(name), f"{name.upper()}_MIGRATION_DATABASE_URL": url}

    def _stores(self) -> list[Program]:
        return [
            Program(
                "postgres",
                self.postgres.command(self.ports.postgres),
                user=self.postgres.user,
                stop_signal="INT",  # open connections are ended
            ),
            Program("kafka", self.kafka.prepare(KAFKA_HEAP)),
        ]

    def _services(self) -> list[Program]:
        found = [self._sandbox()]
        for name in SERVICE_NAMES:
            found.append(self._process(name, "worker", f"{name}-worker", self.ports.workers[name]))
            for number, port in enumerate(self.ports.apis[name], start=1):
                found.append(self._process(name, "api", f"{name}-api" + (f"-{number}" if number > 1 else ""), port))
        return found

    def _process(self, name: str, role: str, program: str, port: int) -> Program:
        environment = {**self.of_service(name), f"{name.upper()}_PORT": str(port)}
        return Program(program, (sys.executable, "-m", f"services.{name}", role), environment)

    def _sandbox(self) -> Program:
        environment = {
            "PEYVAND_MODE": "distributed",
            "PEYVAND_SANDBOX": "1",
            "SANDBOX_DATABASE_URL": self._url("sandbox", "sandbox"),
            "SANDBOX_PORT": str(self.ports.sandbox),
            "SANDBOX_SMTP_PORT": str(self.ports.mail),
        }
        return Program("sandbox", (sys.executable, "-m", "services.sandbox"), environment)

    def _ingress(self) -> Program:
        servers = {**self.ports.apis, "sandbox": (self.ports.sandbox,)}
        return Program("nginx", command(self.folder / "nginx", variables(self.ports.ingress, servers)))

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@{HOST}:{self.ports.postgres}/{database}"

    def _password(self, role: str) -> str:
        return secret_in(self.folder, f"{role}.password")

    def _is_replicated(self) -> bool:
        return any(len(ports) > 1 for ports in self.ports.apis.values())
