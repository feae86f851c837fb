"""Writing a batch of facts, and marking whom they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.metrics.facts import sql
from shared.db import driver, savepoint
from shared.errors import Invalid
from shared.outbox.writing import MANY
from shared.persian.digits import numeral

YEARS = range(1801, 2241)
"""Years for which both calendars are computed, with room for activity that outlasts the last purchase."""


class OutsideTheCalendars(Invalid):
    """A fact from a time that no figure has a period for."""

    code = "outside_the_calendars"

    def __init__(self, at: datetime) -> None:
        super().__init__(
            f"{at.isoformat()} lies outside the years {YEARS[0]} to {YEARS[-1]} that figures are counted for.",
            fa=f"سال {numeral(at.year)} بیرون از سال‌های {numeral(YEARS[0])} تا {numeral(YEARS[-1])} است "
            "که شاخص‌ها برای آن‌ها شمرده می‌شوند.",
        )


async def store(tx: AsyncSession, facts: sql.Facts, rows: Iterable[Sequence[Any]], *people: UUID) -> None:
    """Insert `rows`, ordered by their id so that batches meet in one order, and mark `people` for the folder."""
    ordered = sorted(rows, key=lambda row: row[0].int)
    if not ordered:
        return
    if len(ordered) < MANY or not await _copied(driver(tx), facts, ordered):
        await driver(tx).execute(facts.insert, *_columns(ordered))
    await mark(tx, *people)


async def store_first_deliveries(tx: AsyncSession, rows: Iterable[Sequence[Any]], *people: UUID) -> None:
    """Keep when each invitation was first delivered, and mark `people` for the folder."""
    if known := list(rows):
        await driver(tx).execute(sql.DELIVERIES, *_columns(known))
        await mark(tx, *people)


async def mark(tx: AsyncSession, *people: UUID) -> None:
    """Have the folder count `people` anew."""
    await driver(tx).execute(sql.MARK, list(dict.fromkeys(people)))


async def _copied(connection: asyncpg.Connection, facts: sql.Facts, rows: Sequence[Sequence[Any]]) -> bool:
    """Write rows by COPY; False, with nothing written, where one of them was there before, which is seldom."""
    try:
        async with savepoint(connection):
            await connection.copy_records_to_table(facts.table, columns=list(facts.columns), records=rows)
    except asyncpg.UniqueViolationError:
        return False
    return True


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def within_calendars(at: datetime) -> datetime:
    """Return `at`; raise `OutsideTheCalendars`, which parks the event, where no period could hold it."""
    if at.year not in YEARS:
        raise OutsideTheCalendars(at)
    return at
