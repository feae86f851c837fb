"""The calendar as figures count it: every day lies in nine periods, each of which has a number.

A *grid* is one way to part time into periods: `day`, and week, month, quarter and year of either calendar. Its
periods are numbered without gaps, so that "the month before" is the number less one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from shared.persian.calendar import Calendar, Interval, instant, next_start, start_of, to_jalali

GRIDS: Final = (
    "day", "week.gregorian", "week.jalali", "month.gregorian", "month.jalali", "quarter.gregorian", "quarter.jalali",
    "year.gregorian", "year.jalali",
)  # fmt: skip
ADDITIVE_GRIDS: Final = ("day", "month.gregorian", "month.jalali")
"""Grids that sums are kept on; quarters and years are sums of months, weeks and odd spans of days."""

_WEEK_DAYS = 7
_QUARTER_MONTHS = 3


class Span(NamedTuple):
    """The days `[first, after)`, and the grid of which they are one whole period, if they are."""

    first: date
    after: date
    grid: str | None

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return when the span begins and ends, in UTC."""
        return instant(self.first, zone), instant(self.after, zone)


def grid_of(interval: Interval, calendar: Calendar) -> str:
    """Return the grid of an interval; days are the same in both calendars."""
    return "day" if interval == "day" else f"{interval}.{calendar}"


def number_of(grid: str, day: date) -> int:
    """Return the number of the period of `grid` that `day` lies in."""
    interval, _, calendar = grid.partition(".")
    if interval == "day":
        return day.toordinal()
    if interval == "week":
        return (day.toordinal() + (1 if calendar == "jalali" else -1)) // _WEEK_DAYS
    year, month = _month_of(day, calendar)
    return {"month": year * 12 + month, "quarter": year * 4 + month // _QUARTER_MONTHS, "year": year}[interval]


def _month_of(day: date, calendar: str) -> tuple[int, int]:
    """Return the year and the month, counted from 0."""
    return (day.year, day.month - 1) if calendar == "gregorian" else _jalali_month_of(day)


@lru_cache(maxsize=1024)
def _jalali_month_of(day: date) -> tuple[int, int]:
    year, month, _ = map(int, to_jalali(day).split("-"))
    return year, month - 1


def month_label(number: int) -> str:
    """Return what a month of this number is called in its calendar: `1405-09`."""
    year, month = divmod(number, 12)
    return f"{year:04}-{month + 1:02}"


def split(first: date, after: date, interval: Interval | None, calendar: Calendar) -> Iterator[Span]:
    """Part the days `[first, after)` by `interval`; ends that are cut off a period belong to no grid."""
    if interval is None:
        yield Span(first, after, _whole(first, after, calendar))
        return
    while first < after:
        begin = start_of(first, interval, calendar)
        end = next_start(begin, interval, calendar)
        whole = begin == first and end <= after
        yield Span(first, min(end, after), grid_of(interval, calendar) if whole else None)
        first = end


def _whole(first: date, after: date, calendar: Calendar) -> str | None:
    intervals: tuple[Interval, ...] = ("day", "week", "month", "quarter", "year")
    for interval in intervals:
        if start_of(first, interval, calendar) == first and next_start(first, interval, calendar) == after:
            return grid_of(interval, calendar)
    return None


def days_of(year: int, zone: ZoneInfo) -> Iterator[tuple[date | datetime | int, ...]]:
    """Give the rows of `calendar_days` for a Gregorian year."""
    day = date(year, 1, 1)
    while day.year == year:
        yield (day, instant(day, zone), *(number_of(grid, day) for grid in GRIDS))
        day += timedelta(days=1)
