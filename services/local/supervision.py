"""Keeping programs running by `supervisor`: what dies is started again, and everything stops together."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.data_folder import CannotStart, write_private
from services.local.programs import Program

LOG_BYTES = "10MB"
STOP_WAIT_S = 30
START_S = 20.0


class Supervisor:
    """A supervisor with its programs, in groups that are started one after the other and stopped in the other order."""

    def __init__(self, folder: Path, groups: Mapping[str, Sequence[Program]]) -> None:
        self.folder, self.groups = folder, groups
        self.configuration = folder / "supervisord.conf"
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        self.socket = Path(tempfile.gettempdir()) / f"peyvand-{digest}-supervisor.sock"  # its path must be short
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the supervisor, and none of the programs yet."""
        self.end_leftovers()
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        write_private(self.configuration, self._configuration())
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", self.configuration],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise CannotStart(f"The supervisor did not start; {self.folder / 'supervisord.log'} says why.")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def start(self, group: str) -> None:
        """Start the programs of a group; raises `CannotStart` where one of them ends at once."""
        done = self.control("start", f"{group}:*")
        failed = [line for line in done.stdout.splitlines() if "ERROR" in line]
        if failed:
            raise CannotStart(f"Not everything started: {'; '.join(failed)}. See {self.folder / 'log'}.")

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `supervisorctl`."""
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", "supervisor.supervisorctl", "-c", self.configuration, *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def ended(self) -> bool:
        """Say whether the supervisor itself has ended."""
        return self.process is None or self.process.poll() is not None

    def end_leftovers(self) -> None:
        """Stop what a supervisor keeps running whose owner was killed."""
        if not self.configuration.exists() or not self._answers():
            return
        self.control("shutdown")
        while self._answers():
            time.sleep(0.1)

    def _answers(self) -> bool:
        return self.socket.exists() and "refused" not in (said := self.control("pid").stdout) and "no such" not in said

    def _end(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def _configuration(self) -> str:
        ours = {"user": "root"} if os.geteuid() == 0 else {}
        sections = [
            _section("unix_http_server", {"file": self.socket, "chmod": "0700"}),
            _section("supervisorctl", {"serverurl": f"unix://{self.socket}"}),
            _section(
                "rpcinterface:supervisor",
                {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
            _section(
                "supervisord",
                {
                    "nodaemon": "true",
                    "directory": Path(__file__).parents[2],
                    "logfile": self.folder / "supervisord.log",
                    "logfile_maxbytes": LOG_BYTES,
                    "pidfile": self.folder / "supervisord.pid",
                    "childlogdir": self.folder / "log",
                    **ours,
                },
            ),
        ]
        for priority, (group, programs) in enumerate(self.groups.items(), start=1):
            members = ",".join(program.name for program in programs)
            sections.append(_section(f"group:{group}", {"programs": members, "priority": priority}))
            sections += [_section(f"program:{program.name}", self._settings(program)) for program in programs]
        return "\n".join(sections)

    def _settings(self, program: Program) -> dict[str, object]:
        said = {
            "command": " ".join(_quoted(part) for part in program.command),
            "environment": ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items()),
            "stdout_logfile": self.folder / "log" / f"{program.name}.log",
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": 1,
            "redirect_stderr": "true",
            "autostart": "false",
            "autorestart": "true",
            "startretries": 50,
            "stopsignal": program.stop_signal,
            "stopwaitsecs": STOP_WAIT_S,
            "killasgroup": "true",
        }
        return said | ({"user": program.user} if program.user else {})


def _quoted(text: str) -> str:
    """Quote for supervisor's configuration, in which `%` begins a variable."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _section(name: str, settings: Mapping[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in settings.items()), ""])
