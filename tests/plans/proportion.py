"""What a statement reads to give what it gives, as the database counts it, planned for its values or for any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import asyncpg
import orjson

from tests.plans.walking import Json, Statement, nodes

MOST_READ: Final = 1_000
"""Rows that may be gone past, or sorted, or read from end to end, whatever is asked for."""

MOST_BUFFERS: Final = 3_000
"""Blocks that an answer of fifty may touch: some for each row that it shows, and for each table."""

TIMES_UNTIL_GENERIC: Final = 6
"""After five executions a prepared statement may be planned once for all values."""

_SCANS: Final = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")


@dataclass(frozen=True, slots=True)
class Cost:
    """What running a statement came to; `most_removed` and `most_sorted` are of its worst node."""

    shown: float
    removed: float
    sorted: float
    whole: tuple[str, ...]
    buffers: int
    ms: float

    def faults(self) -> Iterator[str]:
        if self.whole:
            yield f"reads all of {', '.join(self.whole)}"
        if self.removed > MOST_READ:
            yield f"goes past {self.removed:,.0f} rows to give {self.shown:,.0f}"
        if self.sorted > MOST_READ:
            yield f"sorts {self.sorted:,.0f} rows to give {self.shown:,.0f}"
        if self.buffers > MOST_BUFFERS:
            yield f"touches {self.buffers:,} blocks to give {self.shown:,.0f} rows ({self.ms:,.0f} ms)"


async def cost_of(connection: asyncpg.Connection, statement: Statement) -> Cost:
    """Run a statement as it was, and undo it."""
    return await _cost(connection, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}", *statement.values)


async def cost_after(connection: asyncpg.Connection, statement: Statement, before: Sequence[Any]) -> Cost:
    """Run a statement whose plan was settled while it was asked for something else."""
    await connection.execute(f"PREPARE settled AS {statement.text}")
    try:
        for _ in range(TIMES_UNTIL_GENERIC):
            await connection.execute(f"EXECUTE settled{_given(before)}")
        return await _cost(
            connection, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE settled{_given(statement.values)}"
        )
    finally:
        await connection.execute("DEALLOCATE settled")


async def _cost(connection: asyncpg.Connection, explain: str, *values: Any) -> Cost:
    transaction = connection.transaction()
    await transaction.start()
    try:
        [said] = orjson.loads(await connection.fetchval(explain, *values))
    finally:
        await transaction.rollback()
    plan: Json = said["Plan"]
    scans = list(nodes(plan))
    return Cost(
        shown=plan["Actual Rows"],
        removed=max(map(_removed, scans)),
        sorted=max((_rows(node["Plans"][0]) for node in scans if node["Node Type"] == "Sort"), default=0),
        whole=tuple(node["Relation Name"] for node in scans if _is_whole(node)),
        buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        ms=said["Execution Time"],
    )


def _removed(node: Mapping[str, Any]) -> float:
    gone: float = sum(node.get(kind, 0) for kind in _SCANS) * node["Actual Loops"]
    return gone


def _rows(node: Mapping[str, Any]) -> float:
    rows: float = node["Actual Rows"] * node["Actual Loops"]
    return rows


def _is_whole(node: Mapping[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and _rows(node) + _removed(node) > MOST_READ


def _given(values: Sequence[Any]) -> str:
    return f"({', '.join(map(_literal, values))})" if values else ""


def _literal(value: Any) -> str:
    """Write a value in SQL, as a text of no type: the parameter that it is given for has one."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return _quoted("{" + ",".join(f'"{_text(each)}"' for each in value) + "}")
    return _quoted(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def by_text(statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    """Return the statements that a prepared one stands for."""
    found: dict[str, list[Statement]] = {}
    for statement in statements:
        same = found.setdefault(statement.text, [])
        if statement not in same:
            same.append(statement)
    return found
