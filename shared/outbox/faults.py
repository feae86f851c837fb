"""Whose fault a failure is: the database's (try again, whole) or the event's (park it, go on)."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db import causes
from shared.errors import Unavailable

EVENT_CLASSES = ("22", "23")
"""SQLSTATE classes that data causes: data exceptions and violated constraints."""

TRANSPORT = (
    OSError,
    TimeoutError,
    MemoryError,
    PoolTimeout,
    PendingRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    Unavailable,
)


def sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of a database error, also under SQLAlchemy's wrapping."""
    states = (getattr(each, "sqlstate", None) or getattr(each, "pgcode", None) for each in causes(error))
    return next((state for state in states if isinstance(state, str)), None)


def is_events_fault(error: Exception) -> bool:
    """Tell an event that cannot be handled from a database or network that fails for all events alike."""
    if (state := sqlstate(error)) is not None:
        return state.startswith(EVENT_CLASSES)
    if isinstance(error, DBAPIError):
        return False
    return not isinstance(error, TRANSPORT)


def sentence(error: BaseException, *, personal: bool = False) -> str:
    """Describe an error in one line; without its text where that may quote a contact card (`personal`)."""
    state = sqlstate(error)
    origin = getattr(error, "orig", None) or error
    name = f"{type(error).__name__}{f' {state}' if state else ''}"
    text = str(origin).splitlines()[0] if str(origin) and not personal else ""
    return f"{name}: {text}"[:500] if text else name
