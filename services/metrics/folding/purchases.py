"""What purchases count for: sums by day and month, the times between, who bought in a period, activity, cohorts.

Sums change by the purchase that changed. The rest depends on a person's whole history, so it is counted for the
history as it was (sign -1) and as it is (sign 1) by the same statement, and the difference is kept.

A purchase at p makes active at every t with p < t ≤ p + window, the span `(p, p + window]`. Of a grid, only the
borders between periods matter: a span that begins in period i and ends in period k covers the borders i+1 … k, so it
is the whole numbers `[i, k)`, and spans of one person that cover adjoining borders are one. Each such run is a person
who is not active at the start of period i and active at its end (came: new if their first purchase lies in it, else
won back), and active at the start of period k and not at its end (lost).
"""

from __future__ import annotations

import asyncpg

from services.metrics.folding.sql import (
    changes,
    day_of,
    enter,
    keep,
    leave,
    measures,
    moved,
    number_pairs,
    numbers,
    tally,
)
from services.metrics.periods import ADDITIVE_GRIDS

_COLUMNS = "purchase_id, person_id, occurred_at, day, net_minor, refunded_minor, currency, channel"

_NOW = f"""
SELECT purchases.purchase_id, folding.root_id, purchases.occurred_at, at.day,
       purchases.amount_minor - purchases.discount_minor,
       coalesce((SELECT sum(refunds.amount_minor) FROM refunds
                 WHERE refunds.purchase_id = purchases.purchase_id AND refunds.currency = purchases.currency),
                0)::bigint,
       purchases.currency, coalesce(purchases.channel, '')
FROM purchases
JOIN folding USING (person_id)
CROSS JOIN {day_of("purchases.occurred_at", "at")}
WHERE NOT EXISTS (SELECT FROM cancellations WHERE cancellations.purchase_id = purchases.purchase_id)
"""

_SUMS = tally(
    "purchase_moves",
    {"purchases": "1", "net_minor": "net_minor", "refunded_minor": "refunded_minor"},
    ("channel",),
    scope="currency",
)

_HISTORIES = """
INSERT INTO histories (sign, purchase_id, person_id, occurred_at, day, currency)
SELECT {sign}, purchase_id, person_id, occurred_at, day, currency FROM counted_purchases
WHERE person_id IN (SELECT person_id FROM purchase_moves)
"""

_GAPS = """
INSERT INTO gap_moves (purchase_id, occurred_at, previous_at, before_at, sign)
SELECT purchase_id, occurred_at, previous_at, before_at, sum(sign)
FROM (SELECT *, lag(occurred_at) OVER told AS previous_at, lag(occurred_at, 2) OVER told AS before_at
      FROM histories WINDOW told AS (PARTITION BY sign, person_id ORDER BY occurred_at, purchase_id)) AS gaps
GROUP BY 1, 2, 3, 4 HAVING sum(sign) <> 0
"""

_GAPS_GONE = "DELETE FROM purchase_gaps WHERE purchase_id IN (SELECT purchase_id FROM gap_moves)"
"""What enters goes first too: a version that does not know the table may have left it there."""

_BOUGHT = f"""
INSERT INTO bought (sign, person_id, grid, number, purchases)
SELECT sign, person_id, period.grid, period.number, count(*)
FROM histories JOIN calendar_days USING (day) CROSS JOIN LATERAL {numbers()}
GROUP BY 1, 2, 3, 4
"""

_SPANS = f"""
INSERT INTO span_moves (sign, person_id, span, first_day, last_day)
SELECT merged.sign, merged.person_id, span, first.day, last.day
FROM (SELECT sign, person_id, range_agg(tstzrange(occurred_at, occurred_at + make_interval(hours => $1), '(]')) AS spans
      FROM histories GROUP BY 1, 2) AS merged
CROSS JOIN LATERAL unnest(merged.spans) AS span
CROSS JOIN {day_of("lower(span)", "first")}
CROSS JOIN {day_of("upper(span)", "last")}
"""

_COVERED = f"""
INSERT INTO covered (sign, person_id, grid, first_number, runs)
SELECT sign, person_id, period.grid, min(period.began), range_agg(int4range(period.began, period.ended))
FROM span_moves
JOIN calendar_days AS first ON first.day = span_moves.first_day
JOIN calendar_days AS last ON last.day = span_moves.last_day
CROSS JOIN LATERAL {number_pairs("first", "last")} AS period (grid, began, ended)
GROUP BY 1, 2, 3
"""

_NEW_CUSTOMERS = keep(f"""
SELECT 'new_customers', first.currency, period.grid, '', period.number, '', sum(first.sign)
FROM (SELECT sign, person_id, currency, min(day) AS day FROM histories GROUP BY 1, 2, 3) AS first
JOIN calendar_days USING (day)
CROSS JOIN LATERAL {numbers(ADDITIVE_GRIDS)}
GROUP BY 2, 3, 5 HAVING sum(first.sign) <> 0
""")

_BUYERS = keep(f"""
SELECT counted.measure, '', grid, '', number, '', sum(sign * counted.amount)
FROM (SELECT *, lag(number) OVER (PARTITION BY sign, person_id, grid ORDER BY number) IS NOT DISTINCT FROM number - 1
             AS again FROM bought) AS bought
CROSS JOIN LATERAL {measures(buyers="1", repeat_buyers="(purchases > 1)::integer", bought_again="again::integer")}
WHERE counted.amount <> 0
GROUP BY 1, 3, 5 HAVING sum(sign * counted.amount) <> 0
""")

_RETENTION = keep("""
SELECT flow.measure, '', grid, '', flow.number, '', sum(sign)
FROM covered
CROSS JOIN LATERAL unnest(runs) AS run
CROSS JOIN LATERAL (
    VALUES (CASE WHEN lower(run) = first_number THEN 'new' ELSE 'won_back' END, lower(run)), ('lost', upper(run))
) AS flow (measure, number)
GROUP BY 1, 3, 5 HAVING sum(sign) <> 0
""")

_COHORT_BOUGHT = keep("""
SELECT 'cohort_bought', '', grid, 'cohort', number, first_number::text, sum(sign)
FROM covered JOIN bought USING (sign, person_id, grid)
WHERE grid LIKE 'month.%'
GROUP BY 3, 5, 6 HAVING sum(sign) <> 0
""")

_COHORT_ACTIVE = keep("""
SELECT 'cohort_active', '', grid, 'cohort', number, first_number::text, sum(sign)
FROM covered
CROSS JOIN LATERAL unnest(runs) AS run
CROSS JOIN LATERAL generate_series(lower(run), upper(run) - 1) AS number
WHERE grid LIKE 'month.%'
GROUP BY 3, 5, 6 HAVING sum(sign) <> 0
""")


async def fold_purchases(connection: asyncpg.Connection, activity_days: int) -> None:
    """Count the folding people's purchases anew."""
    if not await moved(connection, changes("counted_purchases", "purchase_moves", _NOW)):
        return
    await connection.execute(_SUMS)
    await connection.execute(_HISTORIES.format(sign=-1))
    await connection.execute(leave("counted_purchases", "purchase_moves", "purchase_id"))
    await connection.execute(enter("counted_purchases", "purchase_moves", _COLUMNS))
    await connection.execute(_HISTORIES.format(sign=1))
    await connection.execute(_GAPS)
    await connection.execute(_GAPS_GONE)
    await connection.execute(enter("purchase_gaps", "gap_moves", "purchase_id, occurred_at, previous_at, before_at"))
    await connection.execute(_BOUGHT)
    await connection.execute(_SPANS, activity_days * 24)
    await connection.execute("DELETE FROM activity_spans WHERE person_id IN (SELECT person_id FROM purchase_moves)")
    await connection.execute("INSERT INTO activity_spans SELECT person_id, span FROM span_moves WHERE sign = 1")
    await connection.execute(_COVERED)
    for counts in (_NEW_CUSTOMERS, _BUYERS, _RETENTION, _COHORT_BOUGHT, _COHORT_ACTIVE):
        await connection.execute(counts)
