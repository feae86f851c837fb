"""`peyvand run`, as somebody uses it who has just cloned the repository."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from pathlib import Path

import httpx
import pytest

from services.embedded import SERVICES
from services.postgres import EmbeddedPostgres
from tests.support.deployments import embedded
from tests.support.processes import ROOT, running

pytestmark = pytest.mark.timeout(180)

LEAD = {"first_name": "سارا", "last_name": "نمونه", "phone": "۰۹۹۹ ۰۰۰ ۱۲۳۴", "source": "website"}


async def test_it_says_where_everything_is_and_everything_answers_there(tmp_path: Path) -> None:
    async with embedded(tmp_path) as deployment, deployment.client() as client:
        said = "\n".join(deployment.processes["peyvand"].lines)

        for path in ("/", "/sandbox", "/dashboard", *(f"/docs/{service.name}" for service in SERVICES)):
            assert (await client.get(path)).status_code == 200, path
            assert path == "/" or f"{deployment.url}{path}" in said
        for service in SERVICES:
            assert (await client.get(f"/openapi/{service.name}.json")).json()["openapi"].startswith("3.1")
            assert (await client.get(f"/metrics/{service.name}")).status_code == 200
            assert (await client.get(f"/healthz/{service.name}")).status_code == 200
        assert str(deployment.token_file) in said
        assert stat.S_IMODE(deployment.token_file.stat().st_mode) == 0o600
        for path in ("/nowhere", "/v1/nowhere", "/docs/nobody"):
            assert (await client.get(path)).json()["code"] == "no_such_path"


async def test_a_term_signal_ends_it_within_ten_seconds_and_leaves_nothing_running(tmp_path: Path) -> None:
    async with embedded(tmp_path) as deployment:
        began = time.monotonic()
        deployment.processes["peyvand"].send(signal.SIGTERM)

        assert await deployment.processes["peyvand"].ended(within=10) == 0
        assert time.monotonic() - began < 10
        assert not EmbeddedPostgres(tmp_path / "postgres").is_running()


async def test_what_was_accepted_survives_a_kill_and_the_next_start_ends_what_it_left(tmp_path: Path) -> None:
    async with embedded(tmp_path) as deployment:
        async with deployment.client() as client:
            lead = (await client.post("/v1/leads", json=LEAD)).raise_for_status().json()
        deployment.processes["peyvand"].send(signal.SIGKILL)
        await deployment.processes["peyvand"].ended()
        assert EmbeddedPostgres(tmp_path / "postgres").is_running()

    async with embedded(tmp_path) as deployment, deployment.client() as client:
        again = (await client.get(f"/v1/leads/{lead['id']}")).raise_for_status().json()
        assert again["captured_at"] == lead["captured_at"]


async def refusal(*arguments: str) -> str:
    """Start it where it cannot start, and return the one sentence that it says."""
    async with running(["services.cli", "run", *arguments]) as process:
        assert await process.ended(within=30) == 1
    sentence = [line for line in process.lines if not line.startswith("Starting")]
    assert len(sentence) == 1, process.lines
    return sentence[0]


async def test_a_second_start_on_the_same_data_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with embedded(tmp_path) as deployment:
        sentence = await refusal("--port", "0", "--data", str(tmp_path))

        assert sentence.startswith("Peyvand already runs on the data in")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{deployment.url}/healthz/leads")).status_code == 200


async def test_a_port_that_is_taken_is_named_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert (await refusal("--port", port, "--data", str(tmp_path))).startswith(f"Port {port} cannot be used")


async def test_a_wrong_setting_is_named_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADS_OPENS_AT", "25:00")

    assert (await refusal("--port", "0", "--data", str(tmp_path))).startswith("LEADS_OPENS_AT is wrong: ")


async def test_an_old_python_is_refused_in_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\necho 3.9\n")
    old.chmod(0o755)
    copy = tmp_path / "checkout"
    (copy / "bin").mkdir(parents=True)
    (copy / "bin" / "environment").write_text((ROOT / "bin" / "environment").read_text())
    (copy / "requirements").symlink_to(ROOT / "requirements")
    (copy / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")

    process = await asyncio.create_subprocess_exec(
        "sh", str(copy / "bin" / "environment"), "run",
        env=os.environ | {"PYTHON": str(old)}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, words = await process.communicate()

    assert process.returncode == 1
    assert words.decode().strip() == (
        f"Peyvand needs Python 3.11, and {old} is 3.9; name another one with PYTHON=/path/to/python3.11."
    )
