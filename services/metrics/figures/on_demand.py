"""Counting what is not kept: spans that are no period of a calendar, and medians. Has a time limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg

from services.metrics.figures.errors import CountingTookTooLong

_RETENTION = """
SELECT count(*) FILTER (WHERE at_start) AS active_at_start,
       count(*) FILTER (WHERE at_end) AS active_at_end,
       count(*) FILTER (WHERE at_end AND NOT at_start AND first_at >= $1) AS new,
       count(*) FILTER (WHERE at_end AND NOT at_start AND first_at < $1) AS won_back
FROM (
    SELECT person_id, bool_or(span @> $1::timestamptz) AS at_start, bool_or(span @> $2::timestamptz) AS at_end
    FROM activity_spans WHERE span @> $1::timestamptz OR span @> $2::timestamptz
    GROUP BY person_id
) AS active
CROSS JOIN LATERAL (
    SELECT lower(span) AS first_at FROM activity_spans WHERE activity_spans.person_id = active.person_id
    ORDER BY span LIMIT 1
) AS earliest
"""

_BUYERS = """
SELECT count(*) AS buyers, count(*) FILTER (WHERE purchases > 1) AS repeat_buyers
FROM (SELECT count(*) AS purchases FROM counted_purchases WHERE occurred_at >= $1 AND occurred_at < $2
      GROUP BY person_id) AS bought
"""

_BOUGHT_AGAIN = """
SELECT count(*) AS bought_before,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM counted_purchases AS later WHERE later.person_id = before.person_id
           AND later.occurred_at >= $2 AND later.occurred_at < $3)) AS bought_again
FROM (SELECT DISTINCT person_id FROM counted_purchases WHERE occurred_at >= $1 AND occurred_at < $2) AS before
"""

_GAPS = """
SELECT spans.place::integer, count(gap) AS gaps,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM gap) / 86400) AS median_days
FROM unnest($1::timestamptz[], $2::timestamptz[]) WITH ORDINALITY AS spans (first, after, place)
LEFT JOIN LATERAL (
    SELECT bought.occurred_at - earlier.occurred_at AS gap
    FROM counted_purchases AS bought
    CROSS JOIN LATERAL (
        SELECT occurred_at FROM counted_purchases AS before WHERE before.person_id = bought.person_id
        AND (before.occurred_at, before.purchase_id) < (bought.occurred_at, bought.purchase_id)
        ORDER BY before.occurred_at DESC LIMIT 1
    ) AS earlier
    WHERE bought.occurred_at >= spans.first AND bought.occurred_at < spans.after
) AS gaps ON true
GROUP BY 1 ORDER BY 1
"""


@asynccontextmanager
async def limited(connection: asyncpg.Connection, limit_s: float) -> AsyncIterator[None]:
    """Let the statements of the block take `limit_s` each; raises `CountingTookTooLong`."""
    await connection.execute("SELECT set_config('statement_timeout', $1, true)", f"{int(limit_s * 1000)}")
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise CountingTookTooLong(limit_s) from error
    await connection.execute("SELECT set_config('statement_timeout', '0', true)")


async def retention(connection: asyncpg.Connection, first: datetime, after: datetime) -> Mapping[str, int]:
    """Count who was active at the two instants, from the spans of activity."""
    return await _row(connection, _RETENTION, first, after)


async def buyers(connection: asyncpg.Connection, first: datetime, after: datetime) -> Mapping[str, int]:
    """Count who bought within the span, and who more than once."""
    return await _row(connection, _BUYERS, first, after)


async def bought_again(
    connection: asyncpg.Connection, before: datetime, first: datetime, after: datetime
) -> Mapping[str, int]:
    """Count who bought in `[before, first)`, and who of them in `[first, after)` too."""
    return await _row(connection, _BOUGHT_AGAIN, before, first, after)


async def _row(connection: asyncpg.Connection, statement: str, *instants: datetime) -> Mapping[str, int]:
    """Return the one row that a statement of counts gives."""
    [row] = await connection.fetch(statement, *instants)
    return dict(row)


async def gaps(connection: asyncpg.Connection, spans: Sequence[tuple[datetime, datetime]]) -> Sequence[asyncpg.Record]:
    """Return the number and the median, in days, of the times between a person's purchases, by when they ended."""
    firsts, afters = zip(*spans, strict=True)
    return await connection.fetch(_GAPS, firsts, afters)
