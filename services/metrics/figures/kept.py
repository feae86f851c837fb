"""Reading kept counts: index ranges as long as the periods asked for, however many customers there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import asyncpg

from services.metrics.periods import Span, number_of
from shared.persian.calendar import Calendar, next_start, start_of

FROM_THE_BEGINNING: Final = -1
"""Number below that of every period."""

_SUMS = """
SELECT ranges.place, summed.*
FROM unnest($1::integer[], $2::text[], $3::integer[], $4::integer[]) AS ranges (place, grid, first, after)
CROSS JOIN LATERAL (
    SELECT scope, key, measure, sum(amount) FROM kept_counts
    WHERE measure = ANY($5) AND scope = ANY($6) AND grid = ranges.grid AND dimension = $7
    AND number >= ranges.first AND number < ranges.after
    GROUP BY scope, key, measure
) AS summed
"""
"""Each range is summed by itself, from its part of the index: joined, each would be held against all that is kept."""

_SCOPES = """
WITH RECURSIVE found (scope) AS (
    (SELECT scope FROM kept_counts WHERE measure = $1 ORDER BY scope LIMIT 1)
    UNION ALL
    SELECT (SELECT kept.scope FROM kept_counts AS kept WHERE kept.measure = $1 AND kept.scope > found.scope
            ORDER BY kept.scope LIMIT 1)
    FROM found WHERE found.scope IS NOT NULL
)
SELECT scope FROM found WHERE scope IS NOT NULL AND scope LIKE $2 || '%'
"""

_BY_PERIOD = """
SELECT greatest(number, $3 - 1), measure, sum(amount)
FROM kept_counts
WHERE measure = ANY($1) AND scope = '' AND grid = $2 AND dimension = '' AND number < $4
GROUP BY 1, 2
"""

Sums = Mapping[tuple[int, str, str], Mapping[str, int]]
"""By place of the span, scope and key: the sum of each measure."""

Range = tuple[str, int, int]
"""Periods in a row: their grid, the number of the first, and that of the first after them."""


async def scopes_of(connection: asyncpg.Connection, measure: str, prefix: str = "") -> list[str]:
    """Return the scopes that a measure has been counted in, jumping from one to the next."""
    return [row["scope"] for row in await connection.fetch(_SCOPES, measure, prefix)]


async def sums(
    connection: asyncpg.Connection,
    measures: Sequence[str],
    scopes: Sequence[str],
    dimension: str,
    spans: Sequence[Sequence[Range]],
) -> Sums:
    """Return the sums of measures over spans, each given as the ranges of periods that add up to it."""
    placed = [(place, *each) for place, ranges in enumerate(spans) for each in ranges]
    places, grids, firsts, afters = zip(*placed, strict=True)
    rows = await connection.fetch(_SUMS, places, grids, firsts, afters, measures, scopes, dimension)
    found: dict[tuple[int, str, str], Counter[str]] = defaultdict(Counter)
    for place, scope, key, measure, amount in rows:
        found[place, scope, key][measure] += int(amount)
    return found


def summed_by(span: Span, calendar: Calendar) -> list[Range]:
    """Return the ranges of periods that add up to a span: the whole months within it, and the days at its ends."""
    month = f"month.{calendar}"
    begin, end = _first_month_from(span.first, calendar), start_of(span.after, "month", calendar)
    if begin >= end:
        return [_range("day", span.first, span.after)]
    parts = _range("day", span.first, begin), _range(month, begin, end), _range("day", end, span.after)
    return [(grid, first, after) for grid, first, after in parts if first < after]


def all_before(day: date, calendar: Calendar) -> list[Range]:
    """Return the ranges of everything before a day: all whole months, and the days since."""
    begin = start_of(day, "month", calendar)
    month = f"month.{calendar}"
    return [(month, FROM_THE_BEGINNING, number_of(month, begin)), _range("day", begin, day)]


def _first_month_from(day: date, calendar: Calendar) -> date:
    begin = start_of(day, "month", calendar)
    return begin if begin == day else next_start(begin, "month", calendar)


def _range(grid: str, first: date, after: date) -> Range:
    return grid, number_of(grid, first), number_of(grid, after)


async def by_period(
    connection: asyncpg.Connection, measures: Sequence[str], grid: str, first: int, after: int
) -> Mapping[int, Mapping[str, int]]:
    """Return measures by period from `first` on; what lies before is one sum, under the number `first - 1`."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for number, measure, amount in await connection.fetch(_BY_PERIOD, measures, grid, first, after):
        found[number][measure] = int(amount)
    return found
