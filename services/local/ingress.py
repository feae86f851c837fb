"""The ingress' configuration: the file that compose uses too, filled in as envsubst does there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from services.local.ports import HOST

TEMPLATE = Path(__file__).parents[2] / "deploy" / "ingress" / "nginx.conf.template"
CONFIGURATION = "nginx.conf"
NOBODY = "192.0.2.1"
"""Whom the ingress believes about who calls, where nothing stands in front of it: an address that nobody has."""


def variables(port: int, servers: Mapping[str, Sequence[int]], *, trusted: str = NOBODY) -> dict[str, str]:
    """Return what the template leaves open: where it listens, and the ports of each service's instances."""
    listed = {f"{name.upper()}_SERVERS": _servers(ports) for name, ports in servers.items()}
    return {"INGRESS_LISTEN": f"{HOST}:{port}", "INGRESS_TRUSTED": trusted, **listed}


def render(given: Mapping[str, str]) -> str:
    """Fill the template in; what is not given, such as nginx' own `$uri`, stays as it is."""
    names = "|".join(given)
    return re.sub(rf"\$\{{({names})\}}", lambda found: given[found[1]], TEMPLATE.read_text())


def command(prefix: Path, given: Mapping[str, str]) -> tuple[str, ...]:
    """Write the configuration into the folder that nginx works in, and return the command that runs it there."""
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / CONFIGURATION).write_text(render(given))
    return (sys.executable, "-m", "services.local.ingress", str(prefix))


def main() -> None:
    """Become nginx in the folder that the command line names; workers whose master was killed are ended first."""
    prefix = Path(sys.argv[1])
    for worker in _orphans(prefix / "nginx.pid"):
        os.kill(worker, signal.SIGKILL)
    os.execvp("nginx", ["nginx", "-p", f"{prefix}/", "-c", str(prefix / CONFIGURATION), "-g", "daemon off;"])  # noqa: S606, S607


def _orphans(pid_file: Path) -> list[int]:
    """Return the processes named nginx in the process group of a master that is dead: they hold its port."""
    if not pid_file.exists():
        return []
    group = int(pid_file.read_text())
    return [process for process in _processes("nginx") if os.getpgid(process) == group]


def _processes(name: str) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and (folder / "comm").read_text().strip() == name:
                yield int(folder.name)


def _servers(ports: Sequence[int]) -> str:
    """Return the servers of an upstream; none is taken for dead because it was away a moment ago."""
    return " ".join(f"server {HOST}:{port} max_fails=0;" for port in ports)


if __name__ == "__main__":
    main()
