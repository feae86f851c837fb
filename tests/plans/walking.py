"""Asking all that an app lets one read, and what the database does for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import orjson
from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from shared.db import Database

Json = dict[str, Any]
VERBS: Final = {"SELECT", "WITH", "UPDATE", "DELETE", "INSERT"}
OF_THE_DRIVER: Final = "WITH RECURSIVE typeinfo_tree"
PAGING: Final = {"limit", "cursor", "sort"}
NODE_CHILDREN: Final = "Plans"

BY_NAME: Final = {
    "phone": "+989990000123",
    "name": "first_name",
    "currency": "IRR",
}
BY_FORMAT: Final = {"date-time": "2026-05-25T00:00:00Z", "date": "2026-05-25"}


ASIDE: Final = {
    "/v1/metrics/audit",  # recomputes everything, for quiet hours
    "/v1/metrics/stream",  # does not end
}
"""Routes of metrics that are no figures."""


@dataclass(frozen=True, slots=True)
class Question:
    """A GET of the API: its path and its query."""

    path: str
    query: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.path + ("?" + "&".join(f"{name}={value}" for name, value in self.query) if self.query else "")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that was run, with its values."""

    text: str
    values: tuple[Any, ...]

    @property
    def is_explained(self) -> bool:
        """Tell whether it reads or writes tables, and is not the driver's look at types."""
        return self.verb in VERBS and not self.text.lstrip().startswith(OF_THE_DRIVER)

    @property
    def is_read(self) -> bool:
        """Tell whether running it again changes nothing."""
        return self.verb == "SELECT"

    @property
    def verb(self) -> str:
        return self.text.split(maxsplit=1)[0].upper() if self.text.strip() else ""


def lists(description: Json) -> Iterator[Question]:
    """Yield every list of an OpenAPI description: plain, and with each value of each filter."""
    for path, filters in by_filter(description):
        yield Question(path)
        for name, values in filters.items():
            yield from (Question(path, ((name, value),)) for value in values)


def by_filter(
    description: Json, known: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Iterator[tuple[str, dict[str, Sequence[str]]]]:
    """Yield the path of every list with values of its filters: those `known`, or else what the description lists."""
    for path, operations in description["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        names = {parameter["name"] for parameter in parameters}
        if not names >= PAGING:
            continue
        filters = [each for each in parameters if each["in"] == "query" and each["name"] not in PAGING]
        schemas = description.get("components", {}).get("schemas", {})
        values = {each["name"]: known.get(each["name"]) or _values(each, schemas) for each in filters}
        yield _filled(path, parameters), values


Query = tuple[tuple[str, str], ...]


def figures(description: Json, definitions: Sequence[Json], spans: Sequence[Query]) -> Iterator[Question]:
    """Yield every figure and every other route of metrics, over each of the spans, as one and by each dimension.

    `definitions` are what the list of figures says; of a span a route is given what it has a parameter for.
    """
    for path, operations in description["paths"].items():
        if path.startswith("/v1/") and path not in ASIDE and "get" in operations:
            names = {parameter["name"] for parameter in operations["get"].get("parameters", [])}
            for query in dict.fromkeys(tuple(each for each in span if each[0] in names) for span in spans):
                yield from _of_figures(path, query, definitions)


def _of_figures(path: str, query: Query, definitions: Sequence[Json]) -> Iterator[Question]:
    if "{figure}" not in path:
        yield Question(path, query)
        return
    for figure in definitions:
        yield Question(path.replace("{figure}", figure["figure"]), query)
        for by in figure["dimensions"]:
            yield Question(path.replace("{figure}", figure["figure"]), (*query, ("by", by)))


def _filled(path: str, parameters: list[Json]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", ID)
    return path


ID: Final = "00000000-0000-7000-8000-000000000001"


def _values(parameter: Json, schemas: Json) -> list[str]:
    """Return values of a filter: all that the description lists, else one of many rows and one of none."""
    name, schema = parameter["name"], parameter["schema"]
    options = [schema, *schema.get("anyOf", [])]
    options += [schemas[option["$ref"].rsplit("/", 1)[1]] for option in options if "$ref" in option]
    listed = [str(value) for option in options for value in option.get("enum", [])]
    if listed:
        return listed
    if any(option.get("type") == "boolean" for option in options):
        return ["true", "false"]
    formats = [option["format"] for option in options if "format" in option]
    if "uuid" in formats:
        return [ID]
    known = BY_NAME.get(name) or next((BY_FORMAT[each] for each in formats if each in BY_FORMAT), None)
    return [known] if known else [f"{name}-7", f"{name}-of-nobody"]


@contextmanager
def statements_of(db: Database) -> Iterator[list[Statement]]:
    """Collect the statements that a service runs from here on, by the ORM and on the driver; its pool has to be new."""
    seen: list[Statement] = []

    def by_orm(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        seen.append(Statement(statement, tuple(values)))

    def by_driver(statement: LoggedQuery) -> None:
        seen.append(Statement(statement.query, tuple(statement.args)))

    def connected(connection: Any, _record: Any) -> None:
        connection.driver_connection.add_query_logger(by_driver)

    hooks = (("before_cursor_execute", by_orm), ("connect", connected))
    for name, hook in hooks:
        event.listen(db.engine.sync_engine, name, hook)
    try:
        yield seen
    finally:
        for name, hook in hooks:
            event.remove(db.engine.sync_engine, name, hook)


async def plan_of(connection: asyncpg.Connection, statement: Statement) -> Json:
    """Return how the database would run a statement with these values; what only reads is run, and counts its rows."""
    options = "ANALYZE, TIMING off, FORMAT JSON" if statement.is_read else "FORMAT JSON"
    said = await connection.fetchval(f"EXPLAIN ({options}) {statement.text}", *statement.values)
    plan: Json = orjson.loads(said)[0]["Plan"]
    return plan


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every node of a plan."""
    yield plan
    yield from itertools.chain.from_iterable(nodes(child) for child in plan.get(NODE_CHILDREN, ()))
