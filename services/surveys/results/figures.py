"""CSAT, NPS and CES of answers, with 95 % intervals. Pure; the formulas are DOMAIN.md's, in percent, unrounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from services.surveys.scales import RULES
from shared.statistics import Interval, mean_interval, nps_interval, wilson


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers of one value, in the category that was decided when they were given."""

    value: int
    category: str
    count: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its interval; both are None where there is nothing to divide by."""

    value: float | None
    interval: Interval | None
    count: int
    parts: Mapping[str, int]
    easy_share: float | None = None
    easy_interval: Interval | None = None


def figure(kind: str, scale: str, tallies: Sequence[Tally]) -> Figure:
    """Return the figure of a kind of survey: CSAT and NPS in percent, CES as the mean and the share that is easy."""
    rule = RULES[kind, scale]
    counted: Counter[str] = Counter()
    for tally in tallies:
        counted[tally.category] += tally.count
    n = counted.total()
    good, bad = counted[rule.good], counted[rule.bad]
    parts: dict[str, int] = {category: counted[category] for category in (rule.good, rule.middle, rule.bad)}
    share, interval = percent(good, n), _in_percent(wilson(good, n))
    match kind:
        case "nps":
            return Figure(percent(good - bad, n), _in_percent(nps_interval(good, bad, n)), n, parts)
        case "ces":
            mean, mean_range = _mean(tallies, n)
            return Figure(mean, mean_range, n, parts, share, interval)
        case _:
            return Figure(share, interval, n, parts)


def _mean(tallies: Sequence[Tally], n: int) -> tuple[float | None, Interval | None]:
    if n == 0:
        return None, None
    mean = sum(tally.value * tally.count for tally in tallies) / n
    squares = sum((tally.value - mean) ** 2 * tally.count for tally in tallies)
    return mean, mean_interval(mean, sqrt(squares / (n - 1)), n) if n > 1 else None


def percent(part: int, whole: int) -> float | None:
    """Return a share in percent, None of nothing."""
    return 100 * part / whole if whole else None


def _in_percent(interval: Interval | None) -> Interval | None:
    return Interval(100 * interval.low, 100 * interval.high) if interval is not None else None
