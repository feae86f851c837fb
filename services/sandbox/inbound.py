"""What phones write to lines."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from shared.errors import FieldError, Invalid

_COLUMNS = "id, line, mobile, text, received_at"


class NobodyWrote(Invalid):
    """A reply needs a line to go to."""

    code = "nobody_wrote"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"No line has written to 0{number} yet, so a reply has nowhere to go. Name the line in `to`.",
            errors=[FieldError("/to", "missing", "The line to write to.")],
        )


class UnknownLine(Invalid):
    """Only the account's lines receive."""

    code = "unknown_line"

    def __init__(self, line: int) -> None:
        super().__init__(
            f"The account has no line {line}. GET /sandbox/lines shows those it has.",
            errors=[FieldError("/to", "unknown_line", "One of the account's lines.")],
        )


async def receive(
    connection: asyncpg.Connection, *, mobile: int, line: int | None, text: str, now: datetime
) -> asyncpg.Record:
    """Store what a phone wrote to `line`, or to the line that wrote to it last, and queue the webhook call."""
    to = line or await _last_line(connection, mobile)
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM line WHERE number = $1)", to):
        raise UnknownLine(to)
    [row] = await connection.fetch(
        f"INSERT INTO inbound (line, mobile, text, received_at) VALUES ($1, $2, $3, $4) RETURNING {_COLUMNS}",
        to, mobile, text, now,
    )  # fmt: skip
    await connection.execute(
        """
        INSERT INTO call (line, kind, payload, due_at)
        SELECT $1, 'inbound', jsonb_build_object('from', $2::text, 'to', $1::bigint::text, 'message', $3::text,
                                                 'messageid', $4::bigint), $5
        FROM line WHERE number = $1 AND hooks ? 'inbound'
        """,
        to, f"0{mobile}", text, row["id"], now,
    )  # fmt: skip
    return row


async def take_unread(connection: asyncpg.Connection, *, most: int, now: datetime) -> list[asyncpg.Record]:
    """Take the oldest messages that nobody has taken."""
    query = f"""
        WITH taken AS (
            SELECT id FROM inbound WHERE read_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
        ), marked AS (
            UPDATE inbound SET read_at = $2 WHERE id IN (SELECT id FROM taken) RETURNING {_COLUMNS}
        )
        SELECT * FROM marked ORDER BY id
    """
    return await connection.fetch(query, most, now)


async def between(
    connection: asyncpg.Connection,
    start: datetime,
    end: datetime,
    *,
    limit: int,
    offset: int,
    newest_first: bool = False,
    mobile: int | None = None,
) -> list[asyncpg.Record]:
    """Return what came within `[start, end)`, from one phone or from all."""
    query = f"""
        SELECT {_COLUMNS} FROM inbound
        WHERE received_at >= $1 AND received_at < $2 AND ($3::bigint IS NULL OR mobile = $3)
        ORDER BY id {"DESC" if newest_first else ""} LIMIT $4 OFFSET $5
    """
    return await connection.fetch(query, start, end, mobile, limit, offset)


async def _last_line(connection: asyncpg.Connection, mobile: int) -> int:
    line: int | None = await connection.fetchval(
        "SELECT line FROM message JOIN line ON number = line WHERE mobile = $1 ORDER BY message.id DESC LIMIT 1", mobile
    )
    if line is None:
        raise NobodyWrote(mobile)
    return line
