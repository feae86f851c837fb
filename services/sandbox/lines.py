"""The account's lines, and the webhooks of each.

sms.ir documents no push; other panels push with a URL template per line and names of their own for the fields. So a
line's hook has a URL (in which `$FROM$`, `$TO$`, `$MESSAGE$`, `$MESSAGEID$` and `$STATUS$` are replaced), or fields
that are sent in the query, as a form or as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import asyncpg
import msgspec
import orjson

from shared.errors import FieldError, Invalid

HookKind = Literal["delivery", "inbound"]


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how a line tells of deliveries, or of what it received; `fields` gives our names theirs."""

    url: str
    method: Literal["GET", "POST"] = "POST"
    encoding: Literal["query", "form", "json"] = "form"
    fields: dict[str, str] = msgspec.field(default_factory=dict)

    def request(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the HTTP request that carries `payload`."""
        url = self.url
        for name, value in payload.items():
            url = url.replace(f"${name.upper()}$", quote(str(value), safe=""))
        if url != self.url:
            return {"method": self.method, "url": url}
        named = {self.fields.get(name, name): value for name, value in payload.items()}
        place = "params" if self.method == "GET" or self.encoding == "query" else _PLACES[self.encoding]
        return {"method": self.method, "url": url, place: named}


_PLACES = {"form": "data", "json": "json"}


class Line(msgspec.Struct, frozen=True):
    """A line of the account."""

    number: int
    hooks: dict[HookKind, Hook]


class BadHook(Invalid):
    """A hook that cannot be called."""

    code = "bad_hook"

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(
            f"The {kind} hook does not fit: {why}. It needs a url, and may have method, encoding and fields.",
            errors=[FieldError(f"/hooks/{kind}", "bad_hook", why)],
        )


def read(number: int, hooks: Mapping[HookKind, Mapping[str, Any]]) -> Line:
    """Check the hooks that somebody sets."""
    line: dict[HookKind, Hook] = {}
    for kind, hook in hooks.items():
        try:
            line[kind] = msgspec.convert(dict(hook), Hook)
        except msgspec.ValidationError as error:
            raise BadHook(kind, str(error)) from None
    return Line(number, line)


async def numbers(connection: asyncpg.Connection) -> list[int]:
    return [row["number"] for row in await connection.fetch("SELECT number FROM line ORDER BY number")]


async def listed(connection: asyncpg.Connection) -> list[Line]:
    return [_line(row) for row in await connection.fetch("SELECT number, hooks::text FROM line ORDER BY number")]


async def put(connection: asyncpg.Connection, line: Line) -> None:
    """Add a line, or give one other hooks."""
    await connection.execute(
        """
        INSERT INTO line (number, hooks) VALUES ($1, $2::text::jsonb)
        ON CONFLICT (number) DO UPDATE SET hooks = excluded.hooks
        """,
        line.number, orjson.dumps(msgspec.to_builtins(line.hooks)).decode(),
    )  # fmt: skip


async def hook_of(connection: asyncpg.Connection, number: int, kind: str) -> Hook | None:
    hooks = await connection.fetchval("SELECT (hooks -> $2)::text FROM line WHERE number = $1", number, kind)
    return msgspec.json.decode(hooks, type=Hook) if hooks else None


def _line(row: asyncpg.Record) -> Line:
    return Line(row["number"], msgspec.json.decode(row["hooks"], type=dict[HookKind, Hook]))
