"""Working time: which instants count when a lead waits for an answer."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from itertools import takewhile
from typing import Literal, Protocol, get_args
from zoneinfo import ZoneInfo

import holidays
from holidays.registry import EntityLoader

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = get_args(Weekday)
"""The days as `date.weekday` counts them."""


class WorkingTime(Protocol):
    """Hours that count. Both answers are exact: `between(start, due(start, allowed)) == allowed`."""

    def due(self, start: datetime, allowed: timedelta) -> datetime:
        """Return the instant at which `allowed` of working time has passed since `start`, in UTC."""
        ...

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time within `[start, end)`."""
        ...


@dataclass(frozen=True, slots=True)
class RoundTheClock:
    """Every hour counts."""

    def due(self, start: datetime, allowed: timedelta) -> datetime:
        return start.astimezone(UTC) + allowed

    def between(self, start: datetime, end: datetime) -> timedelta:
        return max(end - start, timedelta())


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """From `opens` to `closes` on `weekdays` (Monday is 0), in `zone`, less holidays."""

    zone: ZoneInfo
    opens: time
    closes: time
    weekdays: frozenset[int]
    is_holiday: Callable[[date], bool]

    def due(self, start: datetime, allowed: timedelta) -> datetime:
        left = allowed
        for opened, closed in self._spans(start):
            if left <= closed - opened:
                return opened + left
            left -= closed - opened
        raise AssertionError("Working days never end.")

    def between(self, start: datetime, end: datetime) -> timedelta:
        spans = takewhile(lambda span: span[0] < end, self._spans(start))
        return sum((min(closed, end) - opened for opened, closed in spans), timedelta())

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield what is left of working days from `start` on, as instants in UTC, without end."""
        day = start.astimezone(self.zone).date()
        start = start.astimezone(UTC)
        while True:
            if day.weekday() in self.weekdays and not self.is_holiday(day):
                opened = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
                closed = datetime.combine(day, self.closes, self.zone).astimezone(UTC)
                if start < closed:
                    yield max(start, opened), closed
            day += timedelta(days=1)


def round_the_clock() -> WorkingTime:
    """Return the working time of those who never close."""
    return RoundTheClock()


@lru_cache(maxsize=8)
def office_hours(
    zone: ZoneInfo,
    opens: time,
    closes: time,
    days: tuple[Weekday, ...],
    holiday_country: str | None,
    extra_holidays: tuple[date, ...] = (),
) -> WorkingTime:
    """Return the working time of an office; the calendar of holidays is kept, as it grows with the years asked for."""
    public = public_holidays(holiday_country) if holiday_country else ()
    extra = frozenset(extra_holidays)
    weekdays = frozenset(WEEK.index(day) for day in days)
    return OfficeHours(zone, opens, closes, weekdays, lambda day: day in extra or day in public)


def knows_country(code: str) -> bool:
    """Tell whether the public holidays of a country are known."""
    return code in EntityLoader.get_country_codes()


def public_holidays(country: str) -> Container[date]:
    """Return the public holidays of a country.

    Its module is loaded without the package that it is in, which would load those of 250 countries: 11 MB a process.
    """
    entity = getattr(holidays, country)
    package = find_spec("holidays.countries")
    spec = PathFinder.find_spec(entity.module_name, package.submodule_search_locations if package else None)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(entity.module_name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Container[date] = getattr(module, entity.entity_name)()
    return found
