"""Looking for a person by value: in every column of every table, on every topic, in every line that was logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from shared.bus import EventBus, TopicPartition

TABLES = """
SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""
HOLDING = """
SELECT row::text FROM {} row
WHERE EXISTS (SELECT FROM unnest($1::text[]) needle WHERE position(needle IN row::text) > 0) LIMIT 3
"""
AT_ONCE = 1_000


async def in_databases(databases: Mapping[str, str], needles: Sequence[str]) -> list[str]:
    """Return each table of each database in which a row holds one of `needles`, as text or in bytes."""
    sought = [*needles, *(needle.encode().hex() for needle in needles)]
    found = []
    for name, url in databases.items():
        connection = await asyncpg.connect(url)
        for (table,) in await connection.fetch(TABLES):
            rows = await connection.fetch(HOLDING.format(table), sought)
            found += [f"{name} {table}: {row[0][:300]}" for row in rows]
        await connection.close()
    return found


async def on_topics(bus: EventBus, topics: Sequence[str], needles: Sequence[str]) -> list[str]:
    """Return each record on `topics` whose key, headers or body holds one of `needles`."""
    found = []
    for place, (first, end) in (await bus.bounds(topics)).items():
        offset = first
        while offset < end and (records := await bus.read(TopicPartition(*place), offset, most=AT_ONCE)):
            for record in records:
                said = f"{record.headers} {(record.body or b'').decode()}"
                found += [f"{place}@{record.offset}: {said[:300]}" for needle in needles if needle in said]
            offset = records[-1].offset + 1
    return found


def in_lines(lines: Sequence[str], needles: Sequence[str]) -> list[str]:
    """Return each line that holds one of `needles`."""
    return [line for line in lines if any(needle in line for needle in needles)]
