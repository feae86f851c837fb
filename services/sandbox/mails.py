"""Emails that the sink took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import asyncpg
import orjson

_COLUMNS = "id, sender, recipient, subject, text, html, headers::text, received_at"


@dataclass(frozen=True, slots=True)
class Content:
    """An email as it is read."""

    subject: str
    text: str
    html: str | None
    headers: Mapping[str, str]


def read(raw: bytes) -> Content:
    """Parse an email; what cannot be decoded is shown with replacement characters."""
    message = message_from_bytes(raw, policy=policy.default)
    headers = {name: _clean(str(value)) for name, value in message.items()}
    return Content(headers.get("Subject", ""), _body(message, "plain") or "", _body(message, "html"), headers)


async def store(
    connection: asyncpg.Connection, content: Content, *, sender: str, recipients: list[str], now: datetime
) -> None:
    """Put one copy in each recipient's mailbox."""
    headers = orjson.dumps(dict(content.headers)).decode()
    await connection.executemany(
        """
        INSERT INTO mail (sender, recipient, subject, text, html, headers, received_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
        """,
        [
            (sender, recipient.lower(), content.subject, content.text, content.html, headers, now)
            for recipient in recipients
        ],
    )


async def listed(
    connection: asyncpg.Connection, *, recipient: str | None, after: int = 0, limit: int = 200
) -> list[asyncpg.Record]:
    query = f"""
        SELECT {_COLUMNS} FROM mail
        WHERE id > $1 AND ($2::text IS NULL OR recipient = lower($2)) ORDER BY id LIMIT $3
    """
    return await connection.fetch(query, after, recipient, limit)


async def latest(connection: asyncpg.Connection, recipient: str, *, limit: int = 50) -> list[asyncpg.Record]:
    """Return a mailbox as its owner opens it, newest first."""
    query = f"SELECT {_COLUMNS} FROM mail WHERE recipient = lower($1) ORDER BY id DESC LIMIT $2"
    return await connection.fetch(query, recipient, limit)


async def by_id(connection: asyncpg.Connection, mail_id: int) -> asyncpg.Record | None:
    return await connection.fetchrow(f"SELECT {_COLUMNS} FROM mail WHERE id = $1", mail_id)


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """Return an email as JSON shows it."""
    return {
        "id": row["id"],
        "from": row["sender"],
        "to": row["recipient"],
        "subject": row["subject"],
        "text": row["text"],
        "html": row["html"],
        "headers": orjson.loads(row["headers"]),
        "received_at": row["received_at"],
    }


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    return _clean(_decoded(raw, part.get_content_charset() or "utf-8"))


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset, errors="replace")
    except LookupError:
        return raw.decode("utf-8", errors="replace")


def _clean(text: str) -> str:
    """Drop what PostgreSQL's text cannot hold."""
    return text.replace("\0", "").encode("utf-8", errors="replace").decode()
