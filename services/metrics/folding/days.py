"""The calendar in the database: filled for the years that facts lie in."""

from __future__ import annotations

import asyncpg

from services.metrics.periods import days_of
from services.metrics.rules import Rules

_MISSING_YEARS = """
WITH facts (at) AS (
    SELECT occurred_at FROM purchases JOIN folding USING (person_id)
    UNION ALL SELECT captured_at FROM leads JOIN folding USING (person_id)
    UNION ALL SELECT invited_at FROM invitations JOIN folding USING (person_id)
    UNION ALL SELECT delivered_at FROM deliveries JOIN invitations USING (invitation_id) JOIN folding USING (person_id)
    UNION ALL SELECT occurred_at FROM answers JOIN folding USING (person_id)
), years AS (
    SELECT DISTINCT year FROM facts CROSS JOIN LATERAL generate_series(
        extract(year FROM at - interval '1 day')::integer,
        extract(year FROM at + make_interval(days => $1 + 1))::integer
    ) AS year
)
SELECT year FROM years
WHERE NOT EXISTS (SELECT FROM calendar_days WHERE day = make_date(year, 1, 1)) ORDER BY year
"""


async def cover_days(connection: asyncpg.Connection, rules: Rules) -> None:
    """See that `calendar_days` has every year that the folding people's facts and their activity lie in.

    A day more to both sides, as years begin at other instants in other zones.
    """
    for (year,) in await connection.fetch(_MISSING_YEARS, rules.activity_days):
        await connection.copy_records_to_table("calendar_days", records=list(days_of(year, rules.zone)))
