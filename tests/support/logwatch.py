"""Reads what the whole suite logs, its processes' output too, and fails the run where that names a person or a secret.

Each test logs as a service in production does. What it and the processes that it starts say is in its report, which
the process that leads the run reads, however many test workers there are.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.telemetry import foreign_handler, structure_logs

TO_LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
LEAKS = {
    "a number to call": re.compile(r"(?<![0-9a-f])(?<![0-9a-f]-)(?:\+|00)?(?:98|0)?999000\d{4}(?![0-9a-f])"),
    "an email address": re.compile(r"[\w.]+@(?:[\w-]+\.)?example\.(?:com|org|net)"),
    "a name": re.compile("سارا|نازنین|نمونه|آزمایشی|مهرداد|مهرنوش|فراموشکار|آرش|پویا|مینا|کیان|نیما|بهاره|مهسا|امید"),
    "a token": re.compile(r"eyJ[\w-]{8,}\.|[Bb]earer [\w-]{8,}"),
    "a key": re.compile(r"PRIVATE KEY-----|peyvand-sandbox|a secret of the tests"),
    "a password": re.compile(r"://(?!user:password@host/)[^/\s:@]+:[^/\s:@\[]+@"),
    "the secret of a webhook": re.compile(r"/webhooks/[0-9a-f-]{36}/[\w-]{8,}"),
}
"""What the tests' made-up people and secrets look like; independent of what logging itself hides."""

FOUND = pytest.StashKey[list[str]]()
"""The leaks that were found in this run."""

LEAKED = 9
"""How a run ends in which there was a leak, whatever else failed: to run again what failed would not find it again."""


def leaks(text: str) -> Iterator[str]:
    """Yield the lines that say what no log may, each with what that is."""
    for line in text.translate(TO_LATIN).splitlines():
        for what, pattern in LEAKS.items():
            if pattern.search(line):
                yield f"{what}: {line.strip()[:400]}"


@contextmanager
def logging_as_in_production() -> Iterator[None]:
    """Write logs as a service does, to the standard error that the test's report shows."""
    structure_logs("json", "info")
    root, handler = logging.getLogger(), foreign_handler("json")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    with logging_as_in_production():
        yield


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = []
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Watch(config.stash[FOUND]))


class _Watch:
    """Reads the reports of a run as they come in, and has the last word on how it ended."""

    def __init__(self, found: list[str]) -> None:
        self._found = found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = f"{report.capstdout}\n{report.capstderr}"
        self._found.extend(f"{report.nodeid}: {leak}" for leak in leaks(said))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = LEAKED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._found:
            terminalreporter.section("logs that name people or secrets", red=True)
            for line in dict.fromkeys(self._found):
                terminalreporter.write_line(line)
