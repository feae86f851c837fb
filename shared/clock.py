"""The one clock. Nothing else in Peyvand asks what time it is, so a test that moves it moves everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_offset = timedelta()


def utcnow() -> datetime:
    """Return the present instant, in UTC."""
    return datetime.now(UTC) + _offset


@contextmanager
def moved(by: timedelta) -> Iterator[None]:
    """Move the clock of this process for the length of the block. Moves add up."""
    global _offset  # noqa: PLW0603  (the clock is the one piece of process-wide state)
    before = _offset
    _offset = before + by
    try:
        yield
    finally:
        _offset = before
