"""Types of fields that several of the service's schemas have, and the readers that bulk items share with them."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache, partial
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import Field, StringConstraints

from shared.clock import utcnow
from shared.errors import Invalid
from shared.instants import InTheFuture
from shared.persian.calendar import JalaliDate, from_jalali, to_jalali
from shared.persian.fields import read_by
from shared.persian.text import clean
from shared.web.fields import MOST_MONEY


class UnknownTimeZone(Invalid):
    code = "unknown_time_zone"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:64]!r} is no time zone; Asia/Tehran is.", fa=f"«{name[:64]}» منطقهٔ زمانی نیست؛ Asia/Tehran هست."
        )


def birth_day(day: date) -> date:
    """Return a day on which somebody can have been born: one that both calendars have, and that has come somewhere."""
    to_jalali(day)
    if day > (utcnow() + timedelta(hours=14)).date():
        raise InTheFuture(day)
    return day


def jalali_birth_day(text: str) -> str:
    """Return a Jalali date on which somebody can have been born."""
    birth_day(from_jalali(text))
    return text


def time_zone(name: str) -> str:
    """Return the name of a time zone that there is."""
    if name not in _time_zones():
        raise UnknownTimeZone(name)
    return name


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


Filled = StringConstraints(min_length=1)
"""Asked twice of a text: of what was sent, as the description says, and of what is left when it was cleaned."""

ShortText = Annotated[str, Filled, StringConstraints(max_length=200), read_by(clean), Filled]
LongText = Annotated[str, Filled, StringConstraints(max_length=10_000), read_by(partial(clean, lines=True)), Filled]
ExternalName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
BirthDate = Annotated[date, read_by(birth_day)]
JalaliBirthDate = Annotated[JalaliDate, read_by(jalali_birth_day)]
TimeZone = Annotated[str, Field(max_length=64), read_by(time_zone)]
PositiveMoney = Annotated[int, Field(strict=True, gt=0, le=MOST_MONEY)]
