"""What is asked: a figure's span, its periods, and what it is split by; and the points that answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from services.metrics.figures.errors import TooManyPeriods
from services.metrics.periods import Span, split
from services.metrics.rules import Rules
from shared.persian.calendar import (
    Calendar,
    Interval,
    next_month,
    start_of,
    to_gregorian,
    to_jalali,
)
from shared.web.figures import EmptySpan, read_day

MOST_PERIODS = 4_000
DEFAULT_MONTHS = 12

Number = int | float | str | None


@dataclass(frozen=True, slots=True)
class Question:
    """The days `[first, after)`, parted into `spans`; `now` tells which of them are over."""

    first: date
    after: date
    calendar: Calendar
    interval: Interval | None
    now: datetime
    rules: Rules
    by: str | None = None
    currency: str = "IRR"
    scale: str | None = None
    time_limit_s: float = 10.0
    spans: tuple[Span, ...] = field(init=False)

    def __post_init__(self) -> None:
        spans = tuple(split(self.first, self.after, self.interval, self.calendar))
        if len(spans) > MOST_PERIODS:
            raise TooManyPeriods(len(spans), MOST_PERIODS)
        object.__setattr__(self, "spans", spans)

    def written(self, day: date) -> str:
        """Return a day as it is written in the calendar asked for."""
        return _written(day, self.calendar)


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of one span. `value` is None where there is nothing to divide by; `count` is what it rests on.

    `settled_after_days` is how long after the span's end it may still change by the passing of time alone.
    """

    span: Span
    value: Number
    count: int
    parts: Mapping[str, Number]
    by: str | None = None
    confidence: tuple[float, float] | None = None
    kept: bool = True
    settled_after_days: int = 0


def span_of(from_: str | None, to: str | None, calendar: Calendar | None, today: date) -> tuple[date, date, Calendar]:
    """Read the ends of a span, in either calendar; by default the last twelve months, the present one with them.

    Without `calendar` it is the one that `from` is written in.
    """
    first_read = _read("from", from_)
    after_read = _read("to", to)
    known: Calendar = calendar or (first_read or after_read or (today, "gregorian"))[1]
    after = after_read[0] if after_read else next_month(today, known)
    first = first_read[0] if first_read else next_month(start_of(after, "month", known), known, -DEFAULT_MONTHS)
    if first >= after:
        raise EmptySpan(_written(first, known), _written(after, known))
    return first, after, known


def _written(day: date, calendar: Calendar) -> str:
    return to_jalali(day) if calendar == "jalali" else day.isoformat()


def _read(name: str, text: str | None) -> tuple[date, Calendar] | None:
    if text is None:
        return None
    day = read_day(name, text)
    return to_gregorian(day), day.calendar
