"""Messages that the panel accepted: stored once, delivered by the clock, read by reports and the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.sandbox.faults import Faults
from services.sandbox.smsir.answers import Refusal
from services.sandbox.smsir.orders import Order
from shared.sms import parts

DELIVERED, UNDELIVERED, AT_TELECOM, BLACKLISTED = 1, 2, 5, 7

COLUMNS = "id, pack_id, line, mobile, text, parts, send_at, state, state_at"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a send answers: an id by position, 0 where blacklisted, None where the number or text was not taken."""

    pack_id: UUID
    ids: list[int | None]
    cost: int


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of one message: how it ends, how long that takes, how often the webhook hears of it."""

    final_state: int = DELIVERED
    delay_s: float = 0.0
    reports: int = 1


async def accept(connection: asyncpg.Connection, order: Order, *, now: datetime) -> Accepted:
    """Store an order and take its cost off the credit; raises `Refusal` 102 where that does not suffice."""
    faults = await Faults.on(connection, now=now)
    refused = {number for number in order.mobiles if number and await faults.take("blacklist", target=str(number))}
    taken = [at for at, number in enumerate(order.mobiles) if number and number not in refused]
    counts = {text: parts(text).count for text in set(order.texts)}
    cost = sum(counts[order.texts[at]] for at in taken)
    delay_s = await _charge(connection, cost)
    ids = await _new_ids(connection, len(taken))
    pack_id = uuid4()
    await connection.execute(
        "INSERT INTO pack (id, recipients, created_at, send_at) VALUES ($1, $2, $3, $4)",
        pack_id, len(taken), now, order.send_at,
    )  # fmt: skip
    fates = [await _fate(faults, str(order.mobiles[at]), delay_s) for at in taken]
    await connection.executemany(
        """
        INSERT INTO message (id, pack_id, line, mobile, text, parts, send_at, state, final_state, due_at, reports)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (id_, pack_id, order.line, order.mobiles[at], order.texts[at], counts[order.texts[at]], order.send_at,
             AT_TELECOM, fate.final_state, order.send_at + timedelta(seconds=fate.delay_s), fate.reports)
            for id_, at, fate in zip(ids, taken, fates, strict=True)
        ],
    )  # fmt: skip
    by_position: dict[int, int] = dict(zip(taken, ids, strict=True))
    return Accepted(
        pack_id, [by_position.get(at, 0 if number else None) for at, number in enumerate(order.mobiles)], cost
    )


async def deliver_due(connection: asyncpg.Connection, *, now: datetime, most: int = 1000) -> int:
    """End what is due, and put the webhook calls that tell of it in the queue; returns how many ended."""
    rows = await connection.fetch(
        """
        WITH due AS (
            SELECT id FROM message WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ), ended AS (
            UPDATE message SET state = final_state, state_at = $1, due_at = NULL FROM due
            WHERE message.id = due.id RETURNING message.id, line, state, reports
        ), told AS (
            INSERT INTO call (line, kind, payload, due_at)
            SELECT line, 'delivery', jsonb_build_object('messageid', ended.id, 'status', state), $1
            FROM ended JOIN line ON line.number = ended.line AND line.hooks ? 'delivery',
                 generate_series(1, reports)
        )
        SELECT id FROM ended
        """,
        now, most,
    )  # fmt: skip
    return len(rows)


async def cancel(connection: asyncpg.Connection, pack_id: UUID, *, before: datetime) -> tuple[int, int]:
    """Cancel a pack that leaves after `before`; returns messages and credit given back, raises `Refusal` 112."""
    [row] = await connection.fetch(
        """
        WITH gone AS (DELETE FROM message WHERE pack_id = $1 AND send_at > $2 RETURNING parts)
        SELECT count(*) AS messages, coalesce(sum(parts), 0)::int AS credit FROM gone
        """,
        pack_id, before,
    )  # fmt: skip
    if not row["messages"]:
        raise Refusal(112)
    await connection.execute("DELETE FROM pack WHERE id = $1", pack_id)
    await connection.execute("UPDATE panel SET credit = credit + $1", row["credit"])
    return row["messages"], row["credit"]


async def by_id(connection: asyncpg.Connection, message_id: int) -> asyncpg.Record | None:
    return await connection.fetchrow(f"SELECT {COLUMNS} FROM message WHERE id = $1", message_id)


async def of_pack(connection: asyncpg.Connection, pack_id: UUID) -> list[asyncpg.Record]:
    query = f"SELECT {COLUMNS} FROM message WHERE pack_id = $1 ORDER BY id"
    return await connection.fetch(query, pack_id)


async def between(
    connection: asyncpg.Connection, start: datetime, end: datetime, *, limit: int, offset: int
) -> list[asyncpg.Record]:
    """Return what left within `[start, end)`, oldest first."""
    query = f"""
        SELECT {COLUMNS} FROM message WHERE send_at >= $1 AND send_at < $2 ORDER BY send_at, id LIMIT $3 OFFSET $4
    """
    return await connection.fetch(query, start, end, limit, offset)


async def packs_between(
    connection: asyncpg.Connection, start: datetime, end: datetime, *, limit: int, offset: int
) -> list[asyncpg.Record]:
    query = """
        SELECT id, recipients, created_at FROM pack WHERE created_at >= $1 AND created_at < $2
        ORDER BY created_at, id LIMIT $3 OFFSET $4
    """
    return await connection.fetch(query, start, end, limit, offset)


async def sent_to(
    connection: asyncpg.Connection, *, now: datetime, mobile: int | None, after: int, limit: int
) -> list[asyncpg.Record]:
    """Return what a phone was sent, or all phones, oldest first."""
    query = f"""
        SELECT {COLUMNS} FROM message
        WHERE id > $1 AND send_at <= $2 AND ($3::bigint IS NULL OR mobile = $3) ORDER BY id LIMIT $4
    """
    return await connection.fetch(query, after, now, mobile, limit)


async def _charge(connection: asyncpg.Connection, cost: int) -> float:
    """Take `cost` off the credit; returns the panel's delivery delay."""
    delay_s: float | None = await connection.fetchval(
        "UPDATE panel SET credit = credit - $1 WHERE credit >= $1 RETURNING delivery_delay_s", cost
    )
    if delay_s is None:
        raise Refusal(102)
    return delay_s


async def _new_ids(connection: asyncpg.Connection, count: int) -> list[int]:
    rows = await connection.fetch("SELECT nextval('message_id') AS id FROM generate_series(1, $1)", count)
    return [row["id"] for row in rows]


async def _fate(faults: Faults, target: str, delay_s: float) -> _Fate:
    lost = await faults.take("report_lost", target=target)
    doubled = await faults.take("report_doubled", target=target)
    slow = await faults.take("report_slow", target=target)
    undelivered = await faults.take("undelivered", target=target)
    return _Fate(
        final_state=UNDELIVERED if undelivered else DELIVERED,
        delay_s=slow.delay_s if slow else delay_s,
        reports=0 if lost else 2 if doubled else 1,
    )


def state_shown(row: asyncpg.Record, now: datetime) -> int | None:
    """Return the delivery code of a report: null while a scheduled message has not left."""
    state: int = row["state"]
    return state if row["send_at"] <= now else None


def unix(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at else None


def report(row: asyncpg.Record, now: datetime) -> dict[str, Any]:
    """Return a message as the panel's reports show it."""
    return {
        "messageId": row["id"],
        "mobile": row["mobile"],
        "messageText": row["text"],
        "sendDateTime": unix(row["send_at"]),
        "lineNumber": row["line"],
        "cost": float(row["parts"]),
        "deliveryState": state_shown(row, now),
        "deliveryDateTime": unix(row["state_at"]),
    }
