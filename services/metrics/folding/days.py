"""The calendar in the database: filled for the years that facts lie in."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from services.metrics.periods import days_of
from services.metrics.rules import Rules

_EXTENT = """
SELECT min(at), max(at) FROM (
    SELECT occurred_at FROM purchases JOIN folding USING (person_id)
    UNION ALL SELECT captured_at FROM leads JOIN folding USING (person_id)
    UNION ALL SELECT invited_at FROM invitations JOIN folding USING (person_id)
    UNION ALL SELECT delivered_at FROM deliveries JOIN invitations USING (invitation_id) JOIN folding USING (person_id)
    UNION ALL SELECT occurred_at FROM answers JOIN folding USING (person_id)
) AS facts (at)
"""

_MISSING = """
SELECT year FROM generate_series($1::integer, $2::integer) AS year
WHERE NOT EXISTS (SELECT FROM calendar_days WHERE day = make_date(year, 1, 1)) ORDER BY year
"""


async def cover_days(connection: asyncpg.Connection, rules: Rules) -> None:
    """See that `calendar_days` has every day that the folding people's facts and their activity lie in."""
    [(first, last)] = await connection.fetch(_EXTENT)
    if first is not None:
        await _cover(connection, rules, first, last + timedelta(days=rules.activity_days))


async def _cover(connection: asyncpg.Connection, rules: Rules, first: datetime, last: datetime) -> None:
    a_day = timedelta(days=1)
    years = await connection.fetch(_MISSING, (first - a_day).year, (last + a_day).year)
    for (year,) in years:
        await connection.copy_records_to_table("calendar_days", records=list(days_of(year, year, rules.zone)))
