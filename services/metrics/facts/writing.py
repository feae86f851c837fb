"""Writing a batch of facts, and marking whom they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from shared.db import driver
from shared.errors import Invalid

YEARS = range(1801, 2241)
"""Years for which both calendars are computed, with room for activity that outlasts the last purchase."""


class OutsideTheCalendars(Invalid):
    """A fact from a time that no figure has a period for."""

    code = "outside_the_calendars"

    def __init__(self, at: datetime) -> None:
        super().__init__(
            f"{at.isoformat()} lies outside the years {YEARS[0]} to {YEARS[-1]} that figures are counted for.",
            fa=f"سال {at.year} بیرون از سال‌های {YEARS[0]} تا {YEARS[-1]} است که شاخص‌ها برای آن‌ها شمرده می‌شوند.",
        )


async def store(tx: AsyncSession, statement: str, rows: Iterable[Sequence[Any]], *people: UUID) -> None:
    """Insert `rows`, ordered by their id so that batches meet in one order, and mark `people` for the folder."""
    ordered = sorted(rows, key=lambda row: row[0])
    if not ordered:
        return
    await driver(tx).execute(statement, *(list(column) for column in zip(*ordered, strict=True)))
    await driver(tx).execute(sql.MARK, list(dict.fromkeys(people)))


def within_calendars(at: datetime) -> datetime:
    """Return `at`; raise `OutsideTheCalendars`, which parks the event, where no period could hold it."""
    if at.year not in YEARS:
        raise OutsideTheCalendars(at)
    return at
