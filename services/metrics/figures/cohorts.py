"""Cohorts: customers by the month of their first purchase, and what became of them month by month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.metrics.figures.question import Question
from services.metrics.periods import month_label, number_of
from shared.persian.calendar import Calendar, instant, next_month, start_of

_CELLS = """
SELECT key::integer AS cohort, number, measure, amount::bigint
FROM kept_counts
WHERE measure = ANY(ARRAY['cohort_bought', 'cohort_active']) AND scope = '' AND grid = $1 AND dimension = 'cohort'
AND number >= $2 AND number < $3
"""


@dataclass(frozen=True, slots=True)
class CohortMonth:
    """`bought` in the month, `active` at its end (the first instant of the next); shares are percent of the cohort."""

    month: int
    bought: int
    bought_share: float
    active: int
    active_share: float
    complete: bool


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers who first bought in one month; month 0 is that month."""

    cohort: str
    size: int
    months: tuple[CohortMonth, ...]


async def cohorts(connection: asyncpg.Connection, question: Question) -> list[Cohort]:
    """Return the cohorts of the months that `[from, to)` touches, each up to the last of them that has begun."""
    grid = f"month.{question.calendar}"
    first, last = number_of(grid, question.first), number_of(grid, question.after) - 1
    if _starts_inside(question.after, question.calendar):
        last += 1
    ends = _ends(question, first, last)
    rows = await connection.fetch(_CELLS, grid, first, last + 1)
    cells = {(row["cohort"], row["number"], row["measure"]): row["amount"] for row in rows}
    sizes = {number: cells.get((number, number, "cohort_bought"), 0) for number in ends}
    return [
        Cohort(month_label(number), size, tuple(_months(cells, number, size, ends, question.now)))
        for number, size in sizes.items()
        if size
    ]


def _starts_inside(day: date, calendar: Calendar) -> bool:
    """Tell whether a day lies inside a month, not at its beginning."""
    return number_of(f"month.{calendar}", day) == number_of(f"month.{calendar}", date.fromordinal(day.toordinal() - 1))


def _ends(question: Question, first: int, last: int) -> dict[int, datetime]:
    """Return when each month that has begun ends, by number."""
    ends: dict[int, datetime] = {}
    day = start_of(question.first, "month", question.calendar)
    for number in range(first, last + 1):
        after = next_month(day, question.calendar)
        if instant(day, question.rules.zone) > question.now:
            break
        ends[number] = instant(after, question.rules.zone)
        day = after
    return ends


def _months(
    cells: Mapping[tuple[int, int, str], int], cohort: int, size: int, ends: Mapping[int, datetime], now: datetime
) -> Iterator[CohortMonth]:
    for number, ends_at in ends.items():
        if number < cohort:
            continue
        bought = cells.get((cohort, number, "cohort_bought"), 0)
        active = cells.get((cohort, number, "cohort_active"), 0)
        yield CohortMonth(
            number - cohort, bought, bought * 100 / size, active, active * 100 / size, complete=ends_at <= now
        )
