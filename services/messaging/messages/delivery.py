"""What becomes of messages after they were sent: reports pushed by webhooks or fetched by polling, applied in order.

Reports may come before the send was answered, late, twice and out of order. So they are stored first, by the
provider's id, and applied by the next turn; those that came before their message's id was known are applied by the
transaction that notes it. One whose message is never known is forgotten after a week.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages import sql
from services.messaging.messages.statuses import Status, takes_report
from services.messaging.messages.telling import tell
from services.messaging.providers.protocol import Refused, Report, SmsProvider
from services.messaging.providers.queries import account_by_id
from services.messaging.providers.smsir_codes import DELIVERY, DELIVERY_BLACKLISTED
from services.messaging.settings import Settings
from services.messaging.suppressions.usecases import remember_blacklisted
from shared.clock import utcnow
from shared.db import driver
from shared.service import Runtime

log = structlog.get_logger(__name__)

BATCH: Final = 1_000
KEEP_UNMATCHED: Final = timedelta(days=7)
LATELY: Final = timedelta(minutes=2)
"""For so long each turn looks for the message of a report: far longer than the transaction that notes its id may
take, which is all that it can be missed by. An account may be shared with another system, and all that
is reported of its messages waits here for a week: to look for those again and again would be most of the work."""

POLL_AFTER_S: Final = (2, 3, 5, 10, 30, 60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400)
"""Waits between the times a message's delivery is asked for; after the last it stays as it is."""


async def store_reports(tx: AsyncSession, account_id: UUID, reports: Sequence[tuple[str, str]], now: datetime) -> None:
    """Keep what a provider said: pairs of its id of a message, and a delivery code."""
    if reports:
        ids, codes = [each for each, _ in reports], [code for _, code in reports]
        await driver(tx).execute(sql.STORE_REPORTS, account_id, ids, codes, now)


async def apply_reports(runtime: Runtime) -> int:
    """Apply the reports that were heard lately and whose messages are known; return how many there were."""
    return await _apply_heard(runtime, utcnow() - LATELY)


async def apply_late_reports(runtime: Runtime) -> int:
    """Apply the reports that came while no worker was at work; a worker's first turn is at its start."""
    return await _apply_heard(runtime, utcnow() - 2 * KEEP_UNMATCHED)


async def _apply_heard(runtime: Runtime, since: datetime) -> int:
    now = utcnow()
    async with runtime.db.transaction() as tx:
        rows = await driver(tx).fetch(sql.TAKE_REPORTS, BATCH, since)
        if rows:
            await _apply(tx, rows, runtime.settings, now)
            await driver(tx).execute(sql.DROP_REPORTS, [row["report_id"] for row in rows])
    return len(rows)


async def apply_awaited(tx: AsyncSession, message_ids: Sequence[UUID], settings: Settings, now: datetime) -> None:
    """Apply what was said of messages before anybody knew them by their provider's ids, which `tx` has just noted.

    What is being said at this very moment is not seen here: the next turn finds its message.
    """
    await _apply(tx, await driver(tx).fetch(sql.TAKE_AWAITED, list(message_ids)), settings, now)


async def forget_reports(runtime: Runtime) -> int:
    """Drop reports of messages that were never ours."""
    async with runtime.db.transaction() as tx:
        await driver(tx).execute(sql.FORGET_REPORTS, utcnow() - KEEP_UNMATCHED)
    return 0


async def _apply(tx: AsyncSession, rows: Sequence[asyncpg.Record], settings: Settings, now: datetime) -> None:
    """Take each message from status to status as its reports say, and write and publish where it ends."""
    reached: dict[UUID, tuple[asyncpg.Record, Status, str | None]] = {}
    blacklisted: list[asyncpg.Record] = []
    for row in rows:
        _, present, _ = reached.get(row["id"], (row, Status(row["status"]), None))
        status = DELIVERY.get(row["code"], Status.UNKNOWN)
        if takes_report(present, status):
            black = row["code"] == DELIVERY_BLACKLISTED
            reached[row["id"]] = (row, status, "blacklisted" if black else None)
            blacklisted.extend([row] if black else [])
    if not reached:
        return
    ids = list(reached)
    statuses = [status for _, status, _ in reached.values()]
    await driver(tx).execute(sql.REPORTED, ids, statuses, [reason for *_, reason in reached.values()], now)
    for row, status, reason in reached.values():
        tell(tx, row, status, now, reason=reason)
    await remember_blacklisted(tx, blacklisted, settings, now)


async def poll_reports(runtime: Runtime) -> int:
    """Ask providers that push nothing for the delivery of what is due; return how many messages were asked for."""
    now = utcnow()
    async with runtime.db.transaction() as tx:
        rows = await driver(tx).fetch(sql.DUE_POLLS, now, BATCH)
        await driver(tx).execute(
            sql.NEXT_POLL, [row["id"] for row in rows], [_next_poll(row["polls"], now) for row in rows]
        )
    by_account: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        by_account[row["account_id"]].append(row)
    for account_id, mine in by_account.items():
        await _poll_account(runtime, account_id, mine)
    return len(rows)


def _next_poll(polls: int, now: datetime) -> datetime | None:
    return now + timedelta(seconds=POLL_AFTER_S[polls]) if polls < len(POLL_AFTER_S) else None


async def _poll_account(runtime: Runtime, account_id: UUID, rows: Sequence[asyncpg.Record]) -> None:
    async with runtime.db.transaction() as tx:
        account = await account_by_id(tx, account_id)
    if account is None or account.kind == "smtp":
        return
    try:
        reports = await _ask(runtime.resources.sms(account), rows)
    except Refused as refused:
        log.warning("delivery_poll_postponed", account_id=str(account_id), reason=refused.reason)
        return
    async with runtime.db.transaction() as tx:
        said = [(report.provider_id, report.code) for report in reports]
        await store_reports(tx, account_id, said, utcnow())


async def _ask(provider: SmsProvider, rows: Sequence[asyncpg.Record]) -> list[Report]:
    """Ask a pack at a time; message by message for what was found by reconciliation, which tells no pack."""
    wanted = {row["provider_id"] for row in rows}
    reports: list[Report] = []
    for pack_id in sorted({row["pack_id"] for row in rows if row["pack_id"]}):
        reports.extend(await provider.pack(pack_id))
    single = [await provider.report(row["provider_id"]) for row in rows if row["pack_id"] is None]
    return [report for report in (*reports, *single) if report is not None and report.provider_id in wanted]
