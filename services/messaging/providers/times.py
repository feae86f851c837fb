"""Times as panels write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.errors import Invalid
from shared.persian.calendar import JALALI_YEARS, from_jalali
from shared.persian.digits import to_latin

PANEL_ZONE: Final = ZoneInfo("Asia/Tehran")
"""Where the clocks of the panels hang: a time that names no zone is of this one."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SECONDS: Final = range(10**11)
"""A longer count since 1970 is of milliseconds."""

_WRITTEN: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\S+)").fullmatch


def time_of(given: str, now: datetime) -> datetime | None:
    """Return the instant that a panel tells: a count since 1970, or a day of either calendar with its time.

    None where it cannot be read, or cannot be true: what was sent lies neither in our future nor before there was SMS.
    """
    plain = " ".join(to_latin(given).split())
    try:
        at = _counted(int(plain)) if plain.isdecimal() else _written(plain)
    except (ValueError, OverflowError, OSError, Invalid):
        return None
    return at if EARLIEST <= at <= now else None


def _counted(since_1970: int) -> datetime:
    return datetime.fromtimestamp(since_1970 if since_1970 in _SECONDS else since_1970 / 1_000, UTC)


def _written(text: str) -> datetime:
    said = _WRITTEN(text)
    if said is None:
        return _in_zone(datetime.fromisoformat(text))
    year, month, day, clock = said.groups()
    date = f"{year}-{month:0>2}-{day:0>2}"
    if int(year) in JALALI_YEARS:
        date = from_jalali(date).isoformat()
    return _in_zone(datetime.fromisoformat(f"{date}T{clock}"))


def _in_zone(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=PANEL_ZONE)
