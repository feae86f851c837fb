"""What the page shows: threads beside, and the one that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.sandbox import faults, lines, mails
from services.sandbox.faults import Fault, Kind
from services.sandbox.numbers import local

MOST_THREADS = 100
MOST_BUBBLES = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """A phone or a mailbox in the list: its name, the last thing in it, when, and how many."""

    name: str
    last: str
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Bubble:
    """One text on a phone. `state` is the panel's delivery code; None for what the phone wrote."""

    id: int
    line: str
    text: str
    at: datetime
    state: int | None
    parts: int


@dataclass(frozen=True, slots=True)
class View:
    """One rendering of the page."""

    phones: Sequence[Thread]
    mailboxes: Sequence[Thread]
    lines: Sequence[str]
    credit: float
    faults: Sequence[Fault]
    phone: str | None = None
    bubbles: Sequence[Bubble] = ()
    mailbox: str | None = None
    mails: Sequence[Mapping[str, Any]] = ()

    def faults_of(self, kind: Kind) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == kind]

    @property
    def reply_line(self) -> str | None:
        """The line that a reply goes to unless another is chosen: the one in the last bubble."""
        known = [bubble.line for bubble in self.bubbles if bubble.line in self.lines]
        return known[-1] if known else next(iter(self.lines), None)


async def read(connection: asyncpg.Connection, *, now: datetime, phone: int | None, mailbox: str | None) -> View:
    """Read what the page shows of one open phone or mailbox, or of none."""
    return View(
        phones=await _phones(connection, now),
        mailboxes=await _mailboxes(connection),
        lines=[str(number) for number in await lines.numbers(connection)],
        credit=float(await connection.fetchval("SELECT credit FROM panel")),
        faults=await faults.listed(connection, now=now),
        phone=local(phone) if phone else None,
        bubbles=await _bubbles(connection, phone, now) if phone else (),
        mailbox=mailbox,
        mails=[mails.shown(row) for row in await mails.latest(connection, mailbox)] if mailbox else (),
    )


async def _phones(connection: asyncpg.Connection, now: datetime) -> list[Thread]:
    rows = await connection.fetch(
        """
        SELECT mobile, count(*) AS count, max(at) AS at, (array_agg(text ORDER BY at DESC, id DESC))[1] AS last
        FROM (
            SELECT mobile, id, text, send_at AS at FROM message WHERE send_at <= $1
            UNION ALL SELECT mobile, id, text, received_at FROM inbound
        ) AS everything
        GROUP BY mobile ORDER BY at DESC LIMIT $2
        """,
        now,
        MOST_THREADS,
    )
    return [Thread(local(row["mobile"]), row["last"], row["at"], row["count"]) for row in rows]


async def _mailboxes(connection: asyncpg.Connection) -> list[Thread]:
    rows = await connection.fetch(
        """
        SELECT recipient, count(*) AS count, max(received_at) AS at, (array_agg(subject ORDER BY id DESC))[1] AS last
        FROM mail GROUP BY recipient ORDER BY at DESC LIMIT $1
        """,
        MOST_THREADS,
    )
    return [Thread(row["recipient"], row["last"], row["at"], row["count"]) for row in rows]


async def _bubbles(connection: asyncpg.Connection, phone: int, now: datetime) -> list[Bubble]:
    """Return the latest texts of a phone, both ways, oldest first."""
    rows = await connection.fetch(
        """
        SELECT id, line, text, send_at AS at, state, parts FROM message WHERE mobile = $1 AND send_at <= $2
        UNION ALL SELECT id, line, text, received_at, NULL, 1 FROM inbound WHERE mobile = $1
        ORDER BY at DESC, id DESC LIMIT $3
        """,
        phone,
        now,
        MOST_BUBBLES,
    )
    return [
        Bubble(row["id"], str(row["line"]), row["text"], row["at"], row["state"], row["parts"])
        for row in reversed(rows)
    ]
