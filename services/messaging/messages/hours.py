"""When a line may be used. Pure rules: no clock, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DEFAULT_HOURS: Final[Mapping[str, tuple[str, str]]] = {"promotional": ("08:00", "21:00")}
"""Hours of a line that is given none: promotion by day only."""


def opens_at(now: datetime, hours: Mapping[str, Sequence[str]], purpose: str, zone: ZoneInfo) -> datetime:
    """Return the first instant from `now` on at which `purpose` may go over a line with `hours`.

    `hours` maps a purpose to `[from, to)` in local time; from later than to spans midnight, equal ones mean the
    whole day. A purpose without an entry goes at any hour, and so does what is transactional.
    """
    span = hours.get(purpose)
    if span is None or purpose == "transactional":
        return now
    start, end = time.fromisoformat(span[0]), time.fromisoformat(span[1])
    local = now.astimezone(zone)
    if _within(local.time(), start, end):
        return now
    day = local.date() if local.time() < start else local.date() + timedelta(days=1)
    return datetime.combine(day, start, zone).astimezone(UTC)


def _within(moment: time, start: time, end: time) -> bool:
    if start == end:
        return True
    return start <= moment < end if start < end else moment >= start or moment < end
