"""Conditions on an event's own payload, which PostgreSQL is given as jsonb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import inspect

from shared.conditions.compiling import compile_condition
from shared.conditions.fields import Field, FieldType

Payload = Mapping[str, Any] | msgspec.Struct

_PLAIN_TYPES: Final[Mapping[type[inspect.Type], FieldType]] = {
    inspect.StrType: "text",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "timestamp",
    inspect.DateType: "date",
    inspect.UUIDType: "uuid",
}


@lru_cache(maxsize=256)
def event_fields(event: type[msgspec.Struct], *, column: str = "payload") -> Mapping[str, Field]:
    """Return the fields of an event's payload that a condition can ask about, from the contract.

    They read `column`, a jsonb object. What is not there, or of another type, is null.
    """
    info = inspect.type_info(event)
    given = info.fields if isinstance(info, inspect.StructType) else ()
    return {one.encode_name: known for one in given if (known := _field(column, one.encode_name, one.type)) is not None}


async def matching(
    connection: asyncpg.Connection, tree: object, payloads: Sequence[Payload], fields: Mapping[str, Field]
) -> list[bool]:
    """Return for each payload whether a condition holds, asked in one statement.

    `fields` are those of `event_fields`. Raises `InvalidCondition`.
    """
    sql, params = compile_condition(tree, fields, first=2)
    rows = await connection.fetch(
        f"SELECT ({sql}) IS TRUE AS holds"
        " FROM unnest($1::jsonb[]) WITH ORDINALITY AS given(payload, place) ORDER BY place",
        [msgspec.json.encode(payload).decode() for payload in payloads],
        *params,
    )
    return [row["holds"] for row in rows]


def _field(column: str, name: str, kind: inspect.Type) -> Field | None:
    if isinstance(kind, inspect.Metadata):
        return _field(column, name, kind.type)
    if isinstance(kind, inspect.UnionType):
        rest = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return _field(column, name, rest[0]) if len(rest) == 1 else None
    if isinstance(kind, inspect.LiteralType):
        return Field(_read(column, name, "text"), "text", choices=frozenset(map(str, kind.values)))
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return Field(_read(column, name, "list"), "list")
    plain = _PLAIN_TYPES.get(type(kind))
    return Field(_read(column, name, plain), plain) if plain is not None else None


def _read(column: str, name: str, kind: FieldType) -> str:
    path = "{" + name + "}"
    text = f"({column} #>> '{path}')"
    value = f"({column} #> '{path}')"
    match kind:
        case "text":
            return text
        case "number":
            return f"(CASE WHEN jsonb_typeof{value} = 'number' THEN {text}::numeric END)"
        case "boolean":
            return f"(CASE WHEN jsonb_typeof{value} = 'boolean' THEN {text}::boolean END)"
        case "list":
            items = f"ARRAY(SELECT jsonb_array_elements_text{value})"
            return f"(CASE WHEN jsonb_typeof{value} = 'array' THEN {items} END)"
        case _:
            sql = {"timestamp": "timestamptz", "date": "date", "uuid": "uuid"}[kind]
            return f"(CASE WHEN pg_input_is_valid({text}, '{sql}') THEN {text}::{sql} END)"
