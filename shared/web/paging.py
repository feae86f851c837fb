"""Lists by keyset: a page costs the same at row 10 and at row 10 million, and no row is shown twice or left out.

A cursor holds the sort value and the id of the last row shown, and is bound to the filter and the sort that it was
given for. Rows that appear meanwhile are shown if they sort after it.
"""

from __future__ import annotations

import base64
import hashlib
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, Generic, TypeVar, cast
from uuid import UUID

import asyncpg
import orjson
from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, and_, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import FieldError, Invalid

MOST = 200
USUAL = 50

Span = tuple[Any, Any]
"""The first value of a sort that a list shows, and the first that it no longer shows; None for no such end."""

EVER: Span = (None, None)

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Give it as `cursor` for the next page; null on the last one.")


class CursorMismatch(Invalid):
    """This cursor was given for another filter or sort."""

    code = "cursor_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "This cursor was given for another filter or sort; begin again without a cursor.",
            fa="این نشانگر برای پالایه یا ترتیب دیگری داده شده است؛ بدون cursor از نو آغاز کنید.",
            errors=[FieldError("/query/cursor", self.code, "Begin again without a cursor.")],
        )


class UnknownSort(Invalid):
    """The list cannot be sorted by this."""

    code = "unknown_sort"

    def __init__(self, sort: str, known: Sequence[str]) -> None:
        choices = ", ".join(name for field in known for name in (field, f"-{field}"))
        super().__init__(
            f"The list cannot be sorted by {sort!r}; it can by {choices}.",
            fa=f"فهرست را نمی‌توان با {sort} مرتب کرد؛ یکی از این‌ها را بفرستید: {choices}.",
            errors=[FieldError("/query/sort", self.code, f"One of {choices}.")],
        )


@dataclass(frozen=True, slots=True)
class PageParams:
    """Which page of a list is asked for."""

    limit: int = USUAL
    cursor: str | None = None
    sort: str | None = None


async def _page_params(
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows a page.")] = USUAL,
    cursor: Annotated[str | None, Query(max_length=2_000, description="`next_cursor` of the page before.")] = None,
    sort: Annotated[
        str | None, Query(max_length=64, description="A field; with `-` in front, the largest first.")
    ] = None,
) -> PageParams:
    return PageParams(limit, cursor, sort)


PageDep = Annotated[PageParams, Depends(_page_params)]


@dataclass(frozen=True, slots=True)
class Keyset:
    """What a list can be sorted by; `id` settles ties. Each sort needs an index on (column, id)."""

    sorts: Mapping[str, Any]
    id: Any
    default: str


@dataclass(frozen=True, slots=True)
class LeadingFilter:
    """A filter whose index also holds the sort: (column, sort, id). Rows are sorted by it first, which changes nothing.

    None of the list's sorts may be null. The planner believes that what passes a filter lies evenly among all rows,
    and would rather go through all of them by the sort than ask the index, however long there is nothing among the
    newest. It cannot where the sort begins with a column that it does not know to be constant.
    """

    column: Any
    value: Any

    @classmethod
    def of(
        cls, entity: Any, filters: Mapping[str, Any], *names: str, usual: Collection[Any] = frozenset()
    ) -> LeadingFilter | None:
        """Return the first of the named filters that is given; one that asks for what is `usual` after all others."""
        given = [name for name in names if filters[name] is not None]
        first = min(given, key=lambda name: filters[name] in usual, default=None)
        return cls(getattr(entity, first), filters[first]) if first is not None else None


def equal_to(
    entity: Any, filters: Mapping[str, Any], leading: LeadingFilter | None = None
) -> list[ColumnElement[bool]]:
    """Return the conditions of the filters that are given, but for the `leading` one."""
    return [
        getattr(entity, name) == value
        for name, value in filters.items()
        if value is not None and not (leading is not None and leading.column.key == name)
    ]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How the values that a row has in `columns` compare with `values`, as one row with another."""

    columns: Sequence[Any]
    compare: Callable[[Any, Any], Any]
    values: Sequence[Any]

    @property
    def condition(self) -> ColumnElement[bool]:
        if len(self.columns) == 1:
            return cast("ColumnElement[bool]", self.compare(self.columns[0], self.values[0]))
        return cast("ColumnElement[bool]", self.compare(tuple_(*self.columns), tuple_(*self.values)))

    def written(self, numbers: Iterator[int]) -> str:
        """Return it as SQL, whose parameters are the next of `numbers`."""
        places = ", ".join(f"${next(numbers)}" for _ in self.values)
        return f"({', '.join(map(_name, self.columns))}) {_WRITTEN[self.compare]} ({places})"


_WRITTEN: Mapping[Callable[[Any, Any], Any], str] = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort as asked for, by column and direction; `first` is what it is led by, if anything; `span` what it shows."""

    name: str
    column: Any
    id: Any
    down: bool
    first: LeadingFilter | None = None
    span: Span = EVER

    @classmethod
    def of(cls, keyset: Keyset, sort: str | None, first: LeadingFilter | None = None, span: Span = EVER) -> _Order:
        name = sort or keyset.default
        field = name.removeprefix("-")
        if field not in keyset.sorts:
            raise UnknownSort(name, list(keyset.sorts))
        return cls(name, keyset.sorts[field], keyset.id, name.startswith("-"), first, span)

    @property
    def columns(self) -> list[Any]:
        return [*([self.first.column] if self.first else []), self.column, self.id]

    @property
    def by(self) -> list[Any]:
        """Return the ORDER BY; NULLs stand where an index has them: last upwards, first downwards."""
        return [each.desc() if self.down else each.asc() for each in self.columns]

    def conditions(self, *last: Any) -> list[ColumnElement[bool]]:
        """Return the conditions of the rows of a page, behind the one with the sort value and the id `last`, if given.

        What the sort is led by is said not to be null, as the planner does not conclude so from comparisons of rows.
        """
        begin, end = ([each.condition for each in side] for side in self._ends())
        led = [self.first.column.is_not(None)] if self.first is not None else []
        return [*led, *self._page(begin, end, [self._after(*last)] if last else [])]

    def written(self, numbers: Iterator[int], *last: Any) -> tuple[str, list[Any]]:
        """Return the same as SQL that goes on a WHERE, with its parameters; no column of the sort may be null."""
        page = self._page(*self._ends(), [self._past(*last)] if last else [])
        led = [f"{_name(self.first.column)} IS NOT NULL"] if self.first is not None else []
        sql = "".join(f" AND {each}" for each in (*led, *(each.written(numbers) for each in page)))
        way = "DESC" if self.down else "ASC"
        sql += f" ORDER BY {', '.join(f'{_name(each)} {way}' for each in self.columns)}"
        return sql, [value for each in page for value in each.values]

    def _page(self, begin: list[T], end: list[T], past: list[T]) -> list[T]:
        """Return the ends of a page: where it is past a row, that takes the place of the end that is nearer to it.

        Given both, the database may begin at the farther.
        """
        if not past:
            return [*begin, *end]
        return [*begin, *past] if self.down else [*past, *end]

    def _ends(self) -> tuple[list[_Comparison], list[_Comparison]]:
        """Return where the list begins and ends; led, as comparisons of rows, as its index reads."""
        since, until = self.span
        if self.first is None:
            begin = [_Comparison([self.column], operator.ge, [since])] if since is not None else []
            return begin, [_Comparison([self.column], operator.lt, [until])] if until is not None else []
        first, given = self.first.column, self.first.value
        led = [first, self.column]
        return (
            [
                _Comparison([first], operator.ge, [given])
                if since is None
                else _Comparison(led, operator.ge, [given, since])
            ],
            [
                _Comparison([first], operator.le, [given])
                if until is None
                else _Comparison(led, operator.lt, [given, until])
            ],
        )

    def _past(self, value: Any, last_id: Any) -> _Comparison:
        """Return what rows are that come after the one with `value` and `last_id`, where none of the sort is null."""
        led = [self.first.value] if self.first is not None else []
        return _Comparison(self.columns, operator.lt if self.down else operator.gt, [*led, value, last_id])

    def _after(self, value: Any, last_id: Any) -> ColumnElement[bool]:
        """Return the condition of the rows that come after the one with `value` and `last_id`."""
        if self.first is not None or not _nullable(self.column):
            return self._past(value, last_id).condition
        if value is None:
            past_id = self.id < last_id if self.down else self.id > last_id
            same = and_(self.column.is_(None), past_id)
            return or_(same, self.column.is_not(None)) if self.down else same
        past = self._past(value, last_id).condition
        return past if self.down else or_(past, self.column.is_(None))


async def page_of(
    tx: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    keyset: Keyset,
    params: PageParams,
    filters: Mapping[str, Any] | None = None,
    leading: LeadingFilter | None = None,
    span: Span = EVER,
) -> tuple[list[Any], str | None]:
    """Return the rows of a page and the cursor of the next, None on the last.

    `statement` has its filters, but for the `leading` one and the `span` of the sort, and no order and no limit;
    `filters` names all, to bind the cursor to. Rows of one entity or column come as such, else as rows with two more
    columns at their end.
    """
    order = _Order.of(keyset, params.sort, leading, span)
    bound = _digest(order.name, filters or {})
    last = _decode(params.cursor, bound, order) if params.cursor is not None else ()
    statement = statement.where(*order.conditions(*last))
    single = len(statement.column_descriptions) == 1
    statement = statement.add_columns(order.column.label("_sort"), order.id.label("_id"))
    rows = (await tx.execute(statement.order_by(*order.by).limit(params.limit + 1))).all()
    shown = rows[: params.limit]
    cursor = _encode(bound, shown[-1][-2], shown[-1][-1]) if len(rows) > params.limit else None
    return [row[0] if single else row for row in shown], cursor


async def rows_of(
    connection: asyncpg.Connection,
    sql: str,
    values: Sequence[Any],
    keyset: Keyset,
    params: PageParams,
    filters: Mapping[str, Any],
    leading: LeadingFilter | None = None,
    span: Span = EVER,
) -> tuple[list[asyncpg.Record], str | None]:
    """Do the same with written SQL, which a list that is asked for often gets several times as fast.

    `sql` ends with its conditions, takes `values`, and shows the columns that it is sorted by, none of which is null.
    """
    order = _Order.of(keyset, params.sort, leading, span)
    bound, numbers = _digest(order.name, filters), count(len(values) + 1)
    last = _decode(params.cursor, bound, order) if params.cursor is not None else ()
    page, ends = order.written(numbers, *last)
    rows = await connection.fetch(f"{sql}{page} LIMIT ${next(numbers)}", *values, *ends, params.limit + 1)
    shown = rows[: params.limit]
    more = len(rows) > params.limit
    return shown, _encode(bound, shown[-1][order.column.key], shown[-1][order.id.key]) if more else None


def _name(column: Any) -> str:
    return str(column.expression)


def _nullable(column: Any) -> bool:
    return bool(getattr(getattr(column, "expression", column), "nullable", True))


def _digest(sort: str, filters: Mapping[str, Any]) -> str:
    named = {name: value for name, value in sorted(filters.items()) if value is not None}
    said = orjson.dumps([sort, named], default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(said, digest_size=8).hexdigest()


def _encode(bound: str, value: Any, last_id: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([bound, _tagged(value), _tagged(last_id)])).decode().rstrip("=")


def _decode(cursor: str, bound: str, order: _Order) -> tuple[Any, Any]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        given, value, last_id = orjson.loads(base64.urlsafe_b64decode(padded))
        position = _untagged(value, order.column), _untagged(last_id, order.id)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise CursorMismatch from error
    if given != bound:
        raise CursorMismatch
    return position


def _tagged(value: Any) -> list[Any]:
    return [type(value).__name__, value if isinstance(value, int | float | str | None) else str(value)]


READERS: Mapping[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "UUID": UUID,
    "Decimal": Decimal,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
}


def _untagged(tagged: Sequence[Any], column: Any) -> Any:
    """Read a value back; one that the column cannot have is of no cursor of ours."""
    kind, text = tagged
    if kind == "NoneType" and _nullable(column):
        return None
    value = READERS[kind](text)
    if type(value) is not column.type.python_type or (kind == "datetime" and value.tzinfo is None):
        raise TypeError(kind)
    return value
