"""Condition trees as SQL with parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.clock import utcnow
from shared.conditions.fields import SQL_TYPES, Field, Op, folded
from shared.conditions.tree import Comparison, Group, Node, parse_condition
from shared.persian.text import fold

_COMPARED: Final[Mapping[Op, str]] = {
    "eq": "=",
    "ne": "IS DISTINCT FROM",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
}


class Compiled(NamedTuple):
    """A boolean SQL expression and the values of its parameters `$n`, in order."""

    sql: str
    params: tuple[object, ...]


def compile_condition(
    tree: object, fields: Mapping[str, Field], *, first: int = 1, now: datetime | None = None, at: str = ""
) -> Compiled:
    """Check `tree` and return it as SQL for asyncpg, its parameters numbered from `first`.

    A comparison with a value that is missing does not hold, its negation does: `ne`, `not_in` and `not` are true of
    what is missing. The expression itself may be null instead of false, so that it can use an index in a WHERE.
    Raises `InvalidCondition`, its pointers under `at`. `within_days` counts back from `now`.
    """
    writing = _Writing(first, now or utcnow())
    sql = writing.node(parse_condition(tree, fields, at=at))
    return Compiled(sql, tuple(writing.params))


@dataclass(slots=True)
class _Writing:
    """One tree being written, collecting parameters."""

    first: int
    now: datetime
    params: list[object] = field(default_factory=list)

    def node(self, node: Node) -> str:
        if isinstance(node, Comparison):
            return self._comparison(node)
        return self._group(node)

    def _group(self, group: Group) -> str:
        written = [self.node(child) for child in group.children]
        match group.kind:
            case "not":
                return f"({written[0]}) IS NOT TRUE"
            case "all":
                return " AND ".join(f"({one})" for one in written) or "true"
            case _:
                return " OR ".join(f"({one})" for one in written) or "false"

    def _comparison(self, asked: Comparison) -> str:
        sql = self._subject(asked)
        kind = SQL_TYPES[asked.field.type]
        match asked.op:
            case "is_null":
                return f"{sql} IS {'' if asked.value else 'NOT '}NULL"
            case "in":
                return f"{sql} = ANY({self._param(asked.value, f'{kind}[]')})"
            case "not_in":
                return f"({sql} = ANY({self._param(asked.value, f'{kind}[]')})) IS NOT TRUE"
            case "contains":
                return self._contains(asked, sql)
            case op:
                return f"{sql} {_COMPARED[op]} {self._param(asked.value, kind)}"

    def _subject(self, asked: Comparison) -> str:
        if asked.within_days is None or asked.field.within is None:
            return f"({asked.field.sql})"
        since = self._param(self.now - timedelta(days=asked.within_days), "timestamptz")
        return f"({asked.field.within.replace('{since}', since)})"

    def _contains(self, asked: Comparison, sql: str) -> str:
        if asked.field.type == "list":
            return f"{self._param(asked.value, 'text')} = ANY({sql})"
        sought = fold(str(asked.value)).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        return f"{folded(sql)} LIKE {self._param(f'%{sought}%', 'text')}"

    def _param(self, value: object, kind: str) -> str:
        self.params.append(value)
        return f"${self.first + len(self.params) - 1}::{kind}"
