"""Conditions on an event's own payload, which PostgreSQL is given as jsonb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import inspect

from shared.conditions.compiling import compile_condition
from shared.conditions.fields import Field, FieldType
from shared.conditions.tree import DEEPEST, GROUPS
from shared.contracts import Event

Payload = Mapping[str, Any] | msgspec.Struct

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62}){0,5}").fullmatch
_PLAIN_TYPES: Final[Mapping[type[inspect.Type], FieldType]] = {
    inspect.StrType: "text",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "timestamp",
    inspect.DateType: "date",
    inspect.UUIDType: "uuid",
}


def payload_fields(types: Mapping[str, FieldType], *, column: str = "payload") -> dict[str, Field]:
    """Return fields that read `column`, a jsonb object; a dot in a name goes a level deeper.

    What is not there, or of another type, is null.
    """
    return {name: Field(_read(column, name, kind), kind) for name, kind in types.items() if _NAME(name)}


@lru_cache(maxsize=256)
def event_fields(event: type[Event], *, column: str = "payload") -> Mapping[str, Field]:
    """Return the fields of an event's payload that a condition can ask about, from the contract."""
    info = inspect.type_info(event)
    given = info.fields if isinstance(info, inspect.StructType) else ()
    return {one.encode_name: known for one in given if (known := _field(column, one.encode_name, one.type)) is not None}


async def matches(
    connection: asyncpg.Connection, tree: object, payload: Payload, fields: Mapping[str, Field] | None = None
) -> bool:
    """Return whether a condition holds for a payload."""
    return (await matching(connection, tree, [payload], fields))[0]


async def matching(
    connection: asyncpg.Connection, tree: object, payloads: Sequence[Payload], fields: Mapping[str, Field] | None = None
) -> list[bool]:
    """Return for each payload whether a condition holds, asked in one statement.

    `fields` are those of `event_fields`; without them a field has the type of the value that it is compared with.
    Raises `InvalidCondition`.
    """
    sql, params = compile_condition(tree, fields if fields is not None else _inferred(tree), first=2)
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
    path = "{" + name.replace(".", ",") + "}"
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


def _inferred(tree: object) -> dict[str, Field]:
    types: dict[str, FieldType] = {}
    for comparison in _comparisons(tree):
        name, value = comparison.get("field"), comparison.get("value")
        if isinstance(name, str) and (comparison.get("op") != "is_null" or name not in types):
            types[name] = _type_of("" if comparison.get("op") == "is_null" else value)
    return payload_fields(types)


def _comparisons(tree: object, depth: int = 0) -> Iterator[Mapping[str, object]]:
    """Find the comparisons of a tree that is not checked yet, no deeper than a checked one can be."""
    if depth > 2 * DEEPEST:
        return
    if isinstance(tree, list):
        for child in tree:
            yield from _comparisons(child, depth + 1)
    elif isinstance(tree, Mapping):
        if "field" in tree:
            yield tree
        for kind in GROUPS:
            yield from _comparisons(tree.get(kind), depth + 1)


def _type_of(value: object) -> FieldType:
    if isinstance(value, list):
        return _type_of(value[0]) if value else "text"
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"
