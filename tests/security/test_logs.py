"""That the run fails where a log names a person or a secret."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from shared.web.tokens import make_keys
from tests.support.api import token
from tests.support.logwatch import LEAKED, leaks
from tests.support.processes import ROOT
from tests.support.runtimes import SECRET

SAYS = """
import logging
import structlog

def test_something() -> None:
    structlog.get_logger("peyvand.test").warning("sent", {redacted}="09990001234")
    logging.getLogger("some.library").warning("to %s", "someone")
    {more}
"""


@pytest.mark.parametrize(
    "line",
    [
        "call +989990001234", "to=09990001234", "9990001234 is taken", "00989990001234", "۰۹۹۹۰۰۰۱۲۳۴", "٠٩٩٩٠٠٠١٢٣٤",
        "mail sara@example.com", "سارا", f"given {token()}", "Bearer abcdefghijkl", make_keys().private_pem, SECRET,
        "postgresql://leads:hunter2@db/leads",
        "POST /webhooks/01a203af-3b49-7420-9b13-dbb08f38cede/kP3vAb12_Qx/delivery",
    ],
)  # fmt: skip
def test_what_no_log_may_say_is_found(line: str) -> None:
    assert list(leaks(f"before\n{line}\nafter"))


@pytest.mark.parametrize(
    "line",
    [
        "01a203af-3b49-7420-9b13-999000123456", "4bf92f9990001234a6a3ce929d0e0e47", "offset 1234567", "[hidden]",
        "route=/webhooks/{account_id}/{secret}/{kind}", "postgresql://postgres@/leads", "Bearer [hidden]",
    ],
)  # fmt: skip
def test_ids_and_what_was_hidden_are_no_leak(line: str) -> None:
    assert list(leaks(line)) == []


@pytest.mark.parametrize(
    ("more", "workers", "status", "said"),
    [
        ("pass", "0", 0, "1 passed"),
        ('print("sent to 09990001234")', "0", LEAKED, "a number to call: sent to 09990001234"),
        ('print("sent to 09990001234")', "1", LEAKED, "a number to call: sent to 09990001234"),
        ('raise ValueError(print("sent to 09990001234"))', "0", LEAKED, "1 failed"),
        ("assert False", "0", 1, "1 failed"),
    ],
)
async def test_a_run_whose_logs_name_somebody_fails_naming_the_line(
    tmp_path: Path, more: str, workers: str, status: int, said: str
) -> None:
    (tmp_path / "test_it.py").write_text(SAYS.format(redacted="phone", more=more))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-p", "tests.support.logwatch", "-c", "/dev/null", "--rootdir", tmp_path,
        "-n", workers, "-p", "no:cacheprovider", "-p", "no:schemathesis", "--basetemp", tmp_path / "inner",
        tmp_path / "test_it.py", cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()

    assert process.returncode == status, output.decode()
    assert said in output.decode()
