"""Counting what is not kept: spans that are no period of a calendar, and medians. Has a time limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import asyncpg

from services.metrics.figures.errors import CountingTookTooLong
from services.metrics.periods import Span, number_of
from services.metrics.rules import Rules

_RETENTION = """
WITH flows AS (
    SELECT measure, number, CASE measure WHEN 'lost' THEN -amount ELSE amount END AS gain
    FROM kept_counts
    WHERE measure = ANY(ARRAY['new', 'won_back', 'lost']) AND scope = '' AND grid = 'day' AND dimension = ''
    AND number < $4
), came AS (
    SELECT person_id FROM activity_spans
    WHERE span >= tstzrange($1, NULL, '[)') AND span < tstzrange($2, NULL, '[)') AND upper(span) >= $2
), counts AS MATERIALIZED (
    SELECT (SELECT coalesce(sum(gain), 0)::bigint FROM flows WHERE number < $3) AS active_at_start,
           (SELECT coalesce(sum(gain), 0)::bigint FROM flows) AS active_at_end,
           (SELECT count(*) FROM came) AS came,
           CASE WHEN $2::timestamptz - $1::timestamptz <= make_interval(hours => $5)
                THEN (SELECT coalesce(sum(gain), 0)::bigint FROM flows WHERE measure = 'new' AND number >= $3)
                ELSE (SELECT count(*) FROM came WHERE NOT EXISTS (
                          SELECT FROM activity_spans AS earlier
                          WHERE earlier.person_id = came.person_id AND earlier.span < tstzrange($1, NULL, '[)')))
                END AS new,
           (SELECT count(*) FROM came WHERE person_id IN (
                SELECT person_id FROM counted_purchases
                WHERE occurred_at >= $1 - make_interval(hours => $5) AND occurred_at < $1)) AS had_been_active
)
SELECT active_at_start, active_at_end, new, came - new - had_been_active AS won_back FROM counts
"""
"""Who is active at a border of days is known from who came and who was lost before it. Of the rest only those are
looked at whose activity began within the span and lasts at its end, which whoever began within a span that is no longer
than a purchase makes active for does; those were active at its beginning as well, or were never before, or come back.

Ranges are ordered by where they begin, so an index on `span` finds them by that: `(p, …` lies before `[t, …` if p < t.
"""

_BUYERS = """
SELECT count(*) FILTER (WHERE previous_at IS NULL OR previous_at < $1) AS buyers,
       count(*) FILTER (WHERE previous_at >= $1 AND (before_at IS NULL OR before_at < $1)) AS repeat_buyers
FROM purchase_gaps WHERE occurred_at >= $1 AND occurred_at < $2
"""
"""Each buyer is counted by the first of their purchases within the span, who bought again by the second."""

_BOUGHT_AGAIN = """
SELECT count(*) FILTER (WHERE occurred_at < $2 AND (previous_at IS NULL OR previous_at < $1)) AS bought_before,
       count(*) FILTER (WHERE occurred_at >= $2 AND previous_at >= $1 AND previous_at < $2) AS bought_again
FROM purchase_gaps WHERE occurred_at >= $1 AND occurred_at < $3
"""
"""Whoever bought again is counted by the first purchase since, as the one before it lies in the span before."""

_GAPS = """
SELECT spans.place, found.*
FROM unnest($1::timestamptz[], $2::timestamptz[]) WITH ORDINALITY AS spans (first, after, place)
CROSS JOIN LATERAL (
    SELECT count(previous_at) AS gaps,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', occurred_at - previous_at) / 86400) AS median
    FROM purchase_gaps WHERE occurred_at >= spans.first AND occurred_at < spans.after
) AS found
ORDER BY spans.place
"""
"""A first purchase has none before it: neither counts it. To leave it out by a condition makes worse plans."""

MEMORY: Final = "32MB"
"""Enough to sort a year of purchases where there are a million customers."""


@asynccontextmanager
async def limited(connection: asyncpg.Connection, limit_s: float) -> AsyncIterator[None]:
    """Let the statements of the block take `limit_s` each, and `MEMORY`; raises `CountingTookTooLong`."""
    await connection.execute(
        "SELECT set_config('statement_timeout', $1, true), set_config('work_mem', $2, true)",
        f"{int(limit_s * 1000)}",
        MEMORY,
    )
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise CountingTookTooLong(limit_s) from error
    await connection.execute("SELECT set_config('statement_timeout', '0', true)")


async def retention(connection: asyncpg.Connection, span: Span, rules: Rules) -> Mapping[str, int]:
    """Count who was active at both ends, and who came between them; one statement, so all of one moment."""
    days = number_of("day", span.first), number_of("day", span.after)
    return await _row(connection, _RETENTION, *span.instants(rules.zone), *days, rules.activity_days * 24)


async def buyers(connection: asyncpg.Connection, first: datetime, after: datetime) -> Mapping[str, int]:
    """Count who bought within the span, and who more than once."""
    return await _row(connection, _BUYERS, first, after)


async def bought_again(
    connection: asyncpg.Connection, before: datetime, first: datetime, after: datetime
) -> Mapping[str, int]:
    """Count who bought in `[before, first)`, and who of them in `[first, after)` too."""
    return await _row(connection, _BOUGHT_AGAIN, before, first, after)


async def _row(connection: asyncpg.Connection, statement: str, *ends: datetime | int) -> Mapping[str, int]:
    """Return the one row that a statement of counts gives."""
    [row] = await connection.fetch(statement, *ends)
    return dict(row)


async def gaps(
    connection: asyncpg.Connection, spans: Sequence[tuple[datetime, datetime]]
) -> list[tuple[int, float | None]]:
    """Return, of each span, how many times between a person's purchases ended in it and their median.

    In days; None where there are none.
    """
    firsts, afters = zip(*spans, strict=True)
    return [(count, median) for _, count, median in await connection.fetch(_GAPS, firsts, afters)]
