"""Whose fault an error is: the event's, the code's or the database's; and how it is told."""

from __future__ import annotations

import asyncpg
import pytest

from shared.errors import Conflict, Unavailable
from shared.outbox.faults import is_events_fault, sentence


class Refused(Conflict):
    code = "refused"


@pytest.mark.parametrize(
    ("error", "events"),
    [
        (asyncpg.UniqueViolationError("23505"), True),
        (asyncpg.NumericValueOutOfRangeError("22003"), True),
        (asyncpg.DataError("22000"), True),
        (Refused("No."), True),
        (KeyError("field"), True),
        (asyncpg.SerializationError("40001"), False),
        (asyncpg.QueryCanceledError("57014"), False),
        (asyncpg.UndefinedTableError("42P01"), False),
        (asyncpg.InterfaceError("connection is closed"), False),
        (TimeoutError(), False),
        (Unavailable("later"), False),
    ],
)
async def test_whose_fault_it_is_follows_from_the_error(error: Exception, *, events: bool) -> None:
    assert is_events_fault(error) is events


async def test_an_error_that_was_raised_from_the_databases_keeps_its_class() -> None:
    def refuse_from(cause: Exception) -> Exception:
        error = Refused("taken")
        error.__cause__ = cause
        return error

    assert is_events_fault(refuse_from(asyncpg.UniqueViolationError("taken")))
    assert not is_events_fault(refuse_from(asyncpg.DeadlockDetectedError("deadlock")))


async def test_an_error_about_a_card_is_described_without_its_words() -> None:
    error = ValueError("+989990000001 is nobody's")

    assert sentence(error, personal=True) == "ValueError"
    assert sentence(error) == "ValueError: +989990000001 is nobody's"
