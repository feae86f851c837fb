"""Faults that can be switched on: what real panels and mail servers do to their callers, on demand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import asyncpg

Kind = Literal[
    "timeout_after_accept",
    "close_connection",
    "http_429",
    "http_500",
    "slow",
    "blacklist",
    "report_lost",
    "report_doubled",
    "report_slow",
    "undelivered",
    "smtp_greylist",
    "smtp_drop",
    "smtp_refuse",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is on.

    It strikes `target` only (a number or an address) where it has one, `remaining` times where that is limited,
    a `share` of the chances it gets, and until `ends_at`.
    """

    id: int
    kind: Kind
    target: str | None
    share: float
    remaining: int | None
    ends_at: datetime | None
    delay_s: float


_COLUMNS = "id, kind, target, share, remaining, ends_at, delay_s"
_ON = "(remaining IS NULL OR remaining > 0) AND (ends_at IS NULL OR ends_at > $1)"


class Faults:
    """The faults that were on when a transaction began; striking one counts in that transaction."""

    def __init__(self, connection: asyncpg.Connection, on: list[Fault], now: datetime) -> None:
        self._connection = connection
        self._on = on
        self._now = now

    @classmethod
    async def on(cls, connection: asyncpg.Connection, *, now: datetime) -> Faults:
        """Read which faults are on, so that the many messages that none concerns cost no question."""
        return cls(connection, await listed(connection, now=now), now)

    async def take(self, kind: Kind, *, target: str | None = None) -> Fault | None:
        """Return the fault that strikes now, and count it; concurrent callers never share a count."""
        if not any(fault.kind == kind and fault.target in (None, target) for fault in self._on):
            return None
        row = await self._connection.fetchrow(
            f"""
            UPDATE fault SET remaining = remaining - 1 WHERE id = (
                SELECT id FROM fault
                WHERE {_ON} AND kind = $2 AND (target IS NULL OR target = $3) AND random() < share
                ORDER BY target NULLS LAST, id LIMIT 1 FOR UPDATE
            ) AND {_ON} RETURNING {_COLUMNS}
            """,
            self._now, kind, target,
        )  # fmt: skip
        return Fault(**row) if row else None


async def listed(connection: asyncpg.Connection, *, now: datetime) -> list[Fault]:
    """Return the faults that are on."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM fault WHERE {_ON} ORDER BY id", now)
    return [Fault(**row) for row in rows]


async def switch_on(
    connection: asyncpg.Connection,
    kind: Kind,
    *,
    target: str | None = None,
    share: float = 1.0,
    count: int | None = None,
    ends_at: datetime | None = None,
    delay_s: float = 30.0,
) -> Fault:
    """Switch a fault on; several of a kind may be on, for different targets."""
    [row] = await connection.fetch(
        f"""
        INSERT INTO fault (kind, target, share, remaining, ends_at, delay_s) VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING {_COLUMNS}
        """,
        kind, target, share, count, ends_at, delay_s,
    )  # fmt: skip
    return Fault(**row)


async def switch_off_kind(connection: asyncpg.Connection, kind: Kind) -> None:
    """Switch every fault of a kind off."""
    await connection.execute("DELETE FROM fault WHERE kind = $1", kind)


async def switch_off(connection: asyncpg.Connection, fault_id: int | None = None) -> None:
    """Switch one fault off, or all."""
    await connection.execute("DELETE FROM fault WHERE $1::bigint IS NULL OR id = $1", fault_id)
