"""Reading kept counts: index ranges as long as the periods asked for, however many customers there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import asyncpg

from services.metrics.periods import Span, number_of
from shared.persian.calendar import Calendar, start_of

FROM_THE_BEGINNING: Final = -1
"""Number below that of every period."""

_SUMS = """
SELECT spans.place::integer, kept.scope, kept.key, kept.measure, sum(kept.amount)
FROM unnest($1::text[], $2::integer[], $3::integer[]) WITH ORDINALITY AS spans (grid, first, after, place)
JOIN kept_counts AS kept
    ON kept.measure = ANY($4) AND kept.scope = ANY($5) AND kept.grid = spans.grid AND kept.dimension = $6
    AND kept.number >= spans.first AND kept.number < spans.after
GROUP BY 1, 2, 3, 4
"""

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


async def scopes_of(connection: asyncpg.Connection, measure: str, prefix: str = "") -> list[str]:
    """Return the scopes that a measure has been counted in, jumping from one to the next."""
    return [row["scope"] for row in await connection.fetch(_SCOPES, measure, prefix)]


async def sums(
    connection: asyncpg.Connection,
    measures: Sequence[str],
    scopes: Sequence[str],
    dimension: str,
    ranges: Sequence[tuple[str, int, int]],
) -> Sums:
    """Return the sums of measures over ranges of periods: (grid, first number, first number after)."""
    grids, firsts, afters = zip(*ranges, strict=True)
    rows = await connection.fetch(_SUMS, grids, firsts, afters, measures, scopes, dimension)
    found: dict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
    for place, scope, key, measure, amount in rows:
        found[place - 1, scope, key][measure] = int(amount)
    return found


def summed_by(span: Span, calendar: Calendar) -> tuple[str, int, int]:
    """Return the range of periods that add up to a span: months where it is made of whole ones, else days."""
    grid = "day"
    if start_of(span.first, "month", calendar) == span.first and start_of(span.after, "month", calendar) == span.after:
        grid = f"month.{calendar}"
    return grid, number_of(grid, span.first), number_of(grid, span.after)


def all_before(day: date, calendar: Calendar) -> tuple[str, int, int]:
    """Return the range of everything before a day."""
    grid, number, _ = summed_by(Span(day, day, None), calendar)
    return grid, FROM_THE_BEGINNING, number


async def by_period(
    connection: asyncpg.Connection, measures: Sequence[str], grid: str, first: int, after: int
) -> Mapping[int, Mapping[str, int]]:
    """Return measures by period from `first` on; what lies before is one sum, under the number `first - 1`."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for number, measure, amount in await connection.fetch(_BY_PERIOD, measures, grid, first, after):
        found[number][measure] = int(amount)
    return found
