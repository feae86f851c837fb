"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import asyncpg

from services.kafka import LIBRARIES
from tests.support.postgres import TestServer

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("asyncpg", "aiokafka", "fastapi", "pydantic", "sqlalchemy", "uvicorn")


async def describe(server: TestServer) -> dict[str, str]:
    """Return cores, memory, how busy they were, and the versions of all that takes part."""
    connection = await asyncpg.connect(server.url())
    try:
        postgres = str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "commit": _commit(),
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{memory:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": postgres,
        "kafka": next((path.stem.rsplit("-", 1)[1] for path in LIBRARIES.glob("kafka-clients-*.jar")), "none"),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " and changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
