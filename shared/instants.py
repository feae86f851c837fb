"""When something can have happened that a request tells of: since 1900, and not after the present."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from shared.clock import utcnow
from shared.errors import Invalid
from shared.persian.digits import numeral

CLOCK_SKEW: Final = timedelta(seconds=5)
"""How far a caller's clock may be ahead of ours before what it says lies in the future."""

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


def past_instant(at: datetime) -> datetime:
    """Return an instant, in UTC, that was since 1900; the present for one that a clock ahead of ours says."""
    now = utcnow()
    if at < EARLIEST:
        raise TooEarly(at)
    if at > now + CLOCK_SKEW:
        raise InTheFuture(at)
    return min(at.astimezone(UTC), now)
