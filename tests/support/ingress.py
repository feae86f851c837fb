"""The real ingress for tests: nginx with the very configuration that is deployed, in front of whatever a test runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from services.local.ingress import NOBODY, command, variables
from services.local.ports import HOST, listens, unused
from shared.routes import PREFIXES
from tests.support.eventually import eventually


def skip_without_nginx() -> None:
    """Skip the test where there is no nginx; under CI it fails instead."""
    if shutil.which("nginx") is None and os.environ.get("CI") != "true":
        pytest.skip("nginx is left out: it is not found.")


@asynccontextmanager
async def ingress(
    servers: Mapping[str, Sequence[int]], *, trusted: str = NOBODY, roomless: bool = False
) -> AsyncIterator[str]:
    """Run nginx before the ports of each service's instances, and return its address; who is not given is away.

    A `roomless` one can put no body aside that is too large for its memory. What it logs is read as all logs are.
    """
    skip_without_nginx()
    port, away = unused(), unused()
    everybody = {name: servers.get(name, (away,)) for name in PREFIXES}
    with tempfile.TemporaryDirectory(prefix="peyvand-ingress-") as name:
        folder = Path(name)
        os.chmod(folder, 0o755)  # noqa: PTH101  (started by root, its workers are somebody else)
        arguments = command(folder, variables(port, everybody, trusted=trusted))
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log, start_new_session=True)
        try:
            await eventually(lambda: listens(port), within=10)
            if roomless:
                (folder / "body").chmod(0)
            yield f"http://{HOST}:{port}"
        finally:
            await end(process)
            sys.stderr.write((folder / "log").read_text())


async def end(process: asyncio.subprocess.Process) -> None:
    """End nginx once it has logged what it answered, as a connection is closed; what stays open is cut off."""
    if process.returncode is None:
        process.send_signal(signal.SIGQUIT)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), timeout=1)
    if process.returncode is None:
        process.terminate()
    await process.wait()
