"""Types of fields that several of the service's schemas have, and the readers that bulk items share with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from typing import Annotated, Final
from zoneinfo import available_timezones

from pydantic import Field, StringConstraints

from shared.clock import utcnow
from shared.errors import Invalid
from shared.persian.calendar import JalaliDate, from_jalali, to_jalali
from shared.persian.digits import numeral
from shared.persian.fields import read_by
from shared.persian.text import clean
from shared.web.fields import MOST_MONEY, Instant

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far a caller's clock may be off ours: so much ahead is no future, so much behind is not before what led to it."""

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)


class InTheFuture(Invalid):
    code = "in_the_future"

    def __init__(self, given: date) -> None:
        super().__init__(
            f"{given.isoformat()} lies in the future; say when it was.",
            fa=f"{given.isoformat()} در آینده است؛ زمانی را بنویسید که گذشته است.",
        )


class TooEarly(Invalid):
    code = "too_early"

    def __init__(self, given: date) -> None:
        super().__init__(
            f"{given.isoformat()} is too early; nothing before {EARLIEST.year} is taken.",
            fa=f"{given.isoformat()} بیش از اندازه دور است؛ پیش از سال {numeral(EARLIEST.year)} پذیرفته نمی‌شود.",
        )


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


def past_instant(at: datetime) -> datetime:
    """Return an instant, in UTC, that was since 1900."""
    if at < EARLIEST:
        raise TooEarly(at)
    if at > utcnow() + CLOCK_SKEW:
        raise InTheFuture(at)
    return at.astimezone(UTC)


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
PastInstant = Annotated[Instant, read_by(past_instant)]
BirthDate = Annotated[date, read_by(birth_day)]
JalaliBirthDate = Annotated[JalaliDate, read_by(jalali_birth_day)]
TimeZone = Annotated[str, Field(max_length=64), read_by(time_zone)]
PositiveMoney = Annotated[int, Field(strict=True, gt=0, le=MOST_MONEY)]
