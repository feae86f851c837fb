"""What the statements of the folder share."""

from __future__ import annotations

import asyncpg

from services.metrics.periods import ADDITIVE_GRIDS, GRIDS

COLUMNS = {grid: grid.replace(".", "_") if grid != "day" else "day_number" for grid in GRIDS}

KEEP = """
INSERT INTO kept_counts AS kept (measure, scope, grid, dimension, number, key, amount)
{counts}
ON CONFLICT (measure, scope, grid, dimension, number, key) DO UPDATE SET amount = kept.amount + EXCLUDED.amount
"""
"""Adds to the kept counts; `counts` gives each key of them once."""


def keep(counts: str) -> str:
    """Return the statement that adds the rows of `counts` to the kept counts."""
    return KEEP.format(counts=counts)


def numbers(grids: tuple[str, ...] = GRIDS) -> str:
    """Return the relation `period (grid, number)`: the periods that a row of `calendar_days` lies in."""
    rows = ", ".join(f"('{grid}', calendar_days.{COLUMNS[grid]})" for grid in grids)
    return f"(VALUES {rows}) AS period (grid, number)"


def number_pairs(first: str, last: str) -> str:
    """Return the rows (grid, number of the period of day `first`, number of that of day `last`)."""
    rows = ", ".join(f"('{grid}', {first}.{column}, {last}.{column})" for grid, column in COLUMNS.items())
    return f"(VALUES {rows})"


def dimensions(*names: str) -> str:
    """Return the relation `split (dimension, key)`: everything as one, and by each column named."""
    rows = ", ".join(["('', '')", *(f"('{name}', {name})" for name in names)])
    return f"(VALUES {rows}) AS split (dimension, key)"


def measures(**amounts: str) -> str:
    """Return the relation `counted (measure, amount)` of measures and the SQL of their amounts."""
    rows = ", ".join(f"('{measure}', ({amount})::numeric)" for measure, amount in amounts.items())
    return f"(VALUES {rows}) AS counted (measure, amount)"


def day_of(instant: str, alias: str) -> str:
    """Return a lateral relation `alias (day)`: the day in the deployment's zone that an instant lies in."""
    return f"""LATERAL (
        SELECT day FROM calendar_days WHERE starts_at <= {instant} ORDER BY starts_at DESC LIMIT 1
    ) AS {alias}"""


def changes(table: str, moves: str, now: str) -> str:
    """Return the statement that fills `moves` with what of the folding people's rows is to leave and to enter."""
    return f"""
    WITH now AS ({now}),
    before AS (SELECT * FROM {table} WHERE person_id IN (SELECT person_id FROM folding))
    INSERT INTO {moves}
    SELECT left_behind.*, -1 FROM (TABLE before EXCEPT TABLE now) AS left_behind
    UNION ALL
    SELECT entering.*, 1 FROM (TABLE now EXCEPT TABLE before) AS entering
    """


async def moved(connection: asyncpg.Connection, statement: str) -> bool:
    """Run a statement of `changes`, and tell whether anything changed."""
    status = await connection.execute(statement)
    return status != "INSERT 0 0"


def leave(table: str, moves: str, key: str) -> str:
    """Return the statement that takes what changed out of `table`."""
    return f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {moves} WHERE sign = -1)"


def enter(table: str, moves: str, columns: str) -> str:
    """Return the statement that puts what changed into `table` as it is now."""
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {moves} WHERE sign = 1"


def tally(moves: str, amounts: dict[str, str], by: tuple[str, ...], scope: str = "''") -> str:
    """Return the statement that keeps sums of `moves` by day and month, as one and by each dimension of `by`.

    Rows are summed by day and dimensions first: what is left to unfold is small, however many people it came from; and
    sums that are zero, as most are, are left out before (`OFFSET 0` keeps the planner from leaving them out after).
    """
    keys = ", ".join((scope, *by))
    sums = ", ".join(f"sum(sign * ({amount})::numeric) AS {measure}" for measure, amount in amounts.items())
    grouped = ", ".join(str(place) for place in range(1, len(by) + 3))
    names = ", ".join(("scope", *by, *amounts))
    return keep(f"""
    SELECT daily.measure, daily.scope, period.grid, split.dimension, period.number, split.key, sum(daily.amount)
    FROM (
        SELECT grouped.*, counted.*
        FROM (SELECT day, {keys}, {sums} FROM {moves} GROUP BY {grouped}) AS grouped (day, {names})
        CROSS JOIN LATERAL {measures(**{measure: f"grouped.{measure}" for measure in amounts})}
        WHERE counted.amount <> 0 OFFSET 0
    ) AS daily
    JOIN calendar_days USING (day)
    CROSS JOIN LATERAL {numbers(ADDITIVE_GRIDS)}
    CROSS JOIN LATERAL {dimensions(*by)}
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(daily.amount) <> 0
    """)
