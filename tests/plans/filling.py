"""Rows made up from the tables themselves, and a planner that takes them for a million.

Every column gets values of its type: what a CHECK lists where there is one, an id of the table that a foreign key
names, and else something with enough variety. Checks and foreign keys are dropped first, as rows need not make sense.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import asyncpg

_COLUMNS: Final = """
SELECT format('%I.%I', n.nspname, c.relname) AS table, c.relname AS name, a.attname AS column,
       format_type(a.atttypid, NULL) AS type, a.attnotnull AS filled,
       EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY(i.indkey))
       AS key,
       (SELECT array_agg(value[1]) FROM pg_constraint AS k,
               regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''::text', 'g') AS value
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]) AS choices,
       (SELECT t.relname FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.confrelid
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS parent
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname IN ('public', 'state') AND a.attidentity = '' AND a.attgenerated = ''
ORDER BY 1, a.attnum
"""
_CONSTRAINTS: Final = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', conrelid::regclass, conname) FROM pg_constraint
WHERE contype IN ('c', 'f') AND connamespace IN ('public'::regnamespace, 'state'::regnamespace)
"""
_KEPT: Final = ("alembic_version",)

_PRETEND: Final = """
UPDATE pg_class SET reltuples = reltuples * $2 WHERE oid IN (
    SELECT c.oid FROM pg_class AS c WHERE c.relname = ANY($1) AND c.relkind = 'r'
    UNION ALL
    SELECT i.indexrelid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relname = ANY($1))
"""

FEW: Final = 5
ROWS: Final = 5_000
PRETENDED: Final = 1_000_000
RARE: Final = 20
"""How many different values a column has that nothing else is known of."""


async def fill(connection: asyncpg.Connection, calm: Collection[str]) -> set[str]:
    """Fill every table, those in `calm` with a few rows; return the names of those that grow.

    The planner is told that the others hold a million: it multiplies a table's size by the density that it knows.
    """
    columns = [row for row in await connection.fetch(_COLUMNS) if row["name"] not in _KEPT]
    for (statement,) in await connection.fetch(_CONSTRAINTS):
        await connection.execute(statement)
    await connection.execute("SET synchronous_commit = off")
    tables: dict[str, list[asyncpg.Record]] = {}
    for column in columns:
        tables.setdefault(column["table"], []).append(column)
    for table, own in tables.items():
        names = ", ".join(f'"{column["column"]}"' for column in own)
        values = ", ".join(_value(column) for column in own)
        count = FEW if own[0]["name"] in calm else ROWS
        made = f"SELECT {values} FROM generate_series(1, {count}) AS i"
        await connection.execute(f"INSERT INTO {table} ({names}) {made} ON CONFLICT DO NOTHING")
    await connection.execute("VACUUM ANALYZE")
    growing = {own[0]["name"] for own in tables.values() if own[0]["name"] not in calm}
    await connection.execute(_PRETEND, sorted(growing), PRETENDED / ROWS)
    return growing


def _value(column: asyncpg.Record) -> str:
    """Return the expression that makes a column's value of the row's number `i`; a third of what may be null is."""
    made = _made(column)
    return made if column["filled"] or column["key"] else f"CASE WHEN i % 3 > 0 THEN {made} END"


def _made(column: asyncpg.Record) -> str:
    name, kind = column["column"], column["type"]
    spread = f"abs(hashint4(i + {sum(name.encode())}))"
    if column["choices"]:
        listed = ", ".join(f"'{choice}'" for choice in column["choices"])
        return f"(ARRAY[{listed}])[1 + {spread} % {len(column['choices'])}]"
    if kind == "uuid":
        whose = column["parent"] or (column["name"] if name == "id" else name.removesuffix("_id") + "s")
        number = "i" if column["key"] else f"{spread} % {PEOPLE}"
        return f"md5('{'person' if whose in OF_PEOPLE else whose}' || {number})::uuid"
    if kind == "text":
        return f"'{name}-' || " + ("i" if column["key"] else f"{spread} % {RARE}")
    return BY_TYPE[kind].format(i="i" if column["key"] else spread)


PEOPLE: Final = 5_000
OF_PEOPLE: Final = ("persons", "people", "customers", "contact_cards")
"""Ids of these tables are of people; where no foreign key names a table, the column does: `person_id` is of persons."""

BY_TYPE: Final = {
    "bigint": "{i}",
    "integer": "{i} % 1000000",
    "smallint": "({i} % 30000)::smallint",
    "numeric": "{i}::numeric",
    "double precision": "{i}::float8",
    "boolean": "{i} % 10 = 0",
    "date": "DATE '2026-01-01' - {i} % 3000",
    "timestamp with time zone": "TIMESTAMPTZ '2026-06-01' - make_interval(mins => i)",
    "time without time zone": "TIME '09:00'",
    "bytea": "convert_to('body' || {i}, 'UTF8')",
    "jsonb": "'{{}}'::jsonb",
    "text[]": "ARRAY['value-' || {i} % 5]",
    "uuid[]": "ARRAY[md5('person' || {i})::uuid]",
    "bigint[]": "ARRAY[{i}]::bigint[]",
    "integer[]": "ARRAY[{i} % 100]::integer[]",
    "tstzrange": "tstzrange(TIMESTAMPTZ '2026-06-01' - make_interval(mins => i), TIMESTAMPTZ '2026-07-01')",
    "daterange": "daterange(DATE '2026-01-01', DATE '2026-06-01')",
    "int4multirange": "'{{[1,4)}}'::int4multirange",
}
