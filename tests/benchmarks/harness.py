"""What a benchmark is made of.

A benchmark is a module `bench_<name>.py` here, with `async def measure(bench: Bench) -> list[Row]`. What it compares it
measures in interleaved rounds of one run, as a machine is never as fast twice; goals are ratios wherever they can be.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.kafka import KafkaBroker, missing
from tests.support.postgres import TestServer

Subject = Callable[[], Awaitable[float]]
"""Measures once, and returns a figure: a rate, or seconds."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row's value must be: at least `bound`, or at most."""

    bound: float
    at_least: bool

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, at_least=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Its value is ours to theirs where there is a yardstick, else ours as it is.

    `ours` and `theirs` are medians, in `unit`; `profile` is the file that says where the time went.
    """

    what: str
    goal: Goal
    ours: float
    unit: str
    theirs: float | None = None
    yardstick: str = ""
    note: str = ""
    profile: str | None = None

    @property
    def value(self) -> float:
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def met(self) -> bool:
        return self.goal.met_by(self.value)


@dataclass(slots=True)
class Bench:
    """What a benchmark is given: a durable PostgreSQL server, a broker, a folder for what it keeps, and rounds."""

    server: TestServer
    results: Path
    rounds: int = 5
    quick: bool = False
    minutes: float = 10.0
    _broker: list[KafkaBroker] = field(default_factory=list)

    def say(self, progress: str) -> None:
        """Tell whoever waits what is going on."""
        print(f"  {time.strftime('%H:%M:%S')} {progress}", flush=True)

    def kafka(self) -> str:
        """Return where the run's broker answers; it is started when first asked for."""
        if absent := missing():
            raise LeftOut(absent)
        if not self._broker:
            broker = KafkaBroker(self.server.shared_folder() / "kafka")
            broker.start()
            self._broker.append(broker)
        return self._broker[0].bootstrap_servers

    def close(self) -> None:
        for broker in self._broker:
            broker.stop()

    async def examine(self, row: Row, again: Callable[[], Awaitable[Any]]) -> Row:
        """Keep a profile of one more run beside the figures of a row that falls short."""
        if row.met:
            return row
        self.say(f"profiling {row.what}")
        profile = cProfile.Profile()
        profile.enable()
        try:
            await again()
        finally:
            profile.disable()
        text = io.StringIO()
        pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(60)
        return replace(row, profile=self.keep(f"{_file_name(row.what)}.profile.txt", text.getvalue()))

    def keep(self, name: str, text: str) -> str:
        """Keep a file beside the figures; return its name."""
        (self.results / name).write_text(text)
        return name


class LeftOut(Exception):
    """A benchmark cannot run here; the message says what it needs."""


async def interleaved(rounds: int, subjects: Mapping[str, Subject]) -> dict[str, float]:
    """Measure each subject once a round, after one round that is not counted; return the medians."""
    figures: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(rounds + 1):
        for name, subject in subjects.items():
            figure = await subject()
            if turn:
                figures[name].append(figure)
    return {name: statistics.median(each) for name, each in figures.items()}


async def seconds(work: Callable[[], Awaitable[Any]], *, times: int = 1) -> float:
    """Return how long `work` takes, the mean of `times` in a row."""
    began = time.perf_counter()
    for _ in range(times):
        await work()
    return (time.perf_counter() - began) / times


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the figure that a share of all do not exceed (nearest rank)."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


async def drained(look: Callable[[], Awaitable[bool]], *, within: float) -> float:
    """Return after how many seconds `look` was true; looks every 2 ms."""
    began = time.perf_counter()
    while not await look():
        if time.perf_counter() - began > within:
            raise TimeoutError(f"Not within {within} s.")
        await asyncio.sleep(0.002)
    return time.perf_counter() - began


def _file_name(what: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in what.lower()).split())
