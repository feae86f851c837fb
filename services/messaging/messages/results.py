"""What a provider's answer makes of messages, stored a call at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.messages import sql
from services.messaging.messages.delivery import apply_awaited
from services.messaging.messages.statuses import Status
from services.messaging.messages.telling import tell
from services.messaging.providers.protocol import Ambiguous, Fate, Refused, Result, Scope
from services.messaging.providers.usecases import pause_account
from services.messaging.settings import Settings
from services.messaging.suppressions.usecases import remember_blacklisted, remember_nonexistent
from shared.db import driver

Answer = Result | Refused | Ambiguous

FIRST_POLL = timedelta(seconds=2)
LONGEST_BACKOFF_S = 600.0


@dataclass(slots=True)
class Sorted:
    """The messages of a call by what becomes of them."""

    sent: list[tuple[asyncpg.Record, Result]] = field(default_factory=list)
    ended: list[tuple[asyncpg.Record, Status, str]] = field(default_factory=list)
    again: list[tuple[asyncpg.Record, str, datetime, int]] = field(default_factory=list)
    unknown: list[tuple[asyncpg.Record, str]] = field(default_factory=list)
    blacklisted: list[asyncpg.Record] = field(default_factory=list)
    nonexistent: list[asyncpg.Record] = field(default_factory=list)
    paused: str | None = None

    @property
    def landed(self) -> list[UUID]:
        """Return the messages that are no longer on their way: what becomes of them is known."""
        rows = [*(row for row, _ in self.sent), *(row for row, *_ in self.ended), *(row for row, *_ in self.again)]
        return [row["id"] for row in rows]


async def store_answers(
    tx: AsyncSession,
    send_id: UUID,
    account_id: UUID,
    answers: Mapping[UUID, Answer],
    settings: Settings,
    now: datetime,
) -> None:
    """Store what became of the messages of one call.

    Only those that still belong to this attempt: one whose lease ran out meanwhile is `unknown`, which a late answer
    still settles, unless its reconciliation has. Locks rows in the order of ids, as the reports do.
    """
    rows = await driver(tx).fetch(sql.LOCK_ANSWERED, list(answers), send_id)
    sorted_ = _sort(rows, answers, now)
    if sorted_.paused is not None:
        await pause_account(tx, account_id, sorted_.paused, now)
    await store(tx, sorted_, settings, now)


async def store(tx: AsyncSession, outcome: Sorted, settings: Settings, now: datetime) -> None:
    """Mark messages, let go of what is no longer on its way, and publish."""
    await _mark_sent(tx, outcome.sent, now)
    await _mark_ended(tx, outcome.ended, now)
    await _mark_again(tx, outcome.again)
    await mark_unknown(tx, outcome.unknown, now, look_at=now + timedelta(seconds=settings.reconcile_after_s))
    await driver(tx).execute(sql.LAND, outcome.landed)
    await remember_blacklisted(tx, outcome.blacklisted, settings, now)
    await remember_nonexistent(tx, outcome.nonexistent, settings, now)
    if texts := [row["id"] for row, _ in outcome.sent if row["channel"] == "sms"]:
        await apply_awaited(tx, texts, settings, now)


def _sort(rows: Iterable[asyncpg.Record], answers: Mapping[UUID, Answer], now: datetime) -> Sorted:
    outcome = Sorted()
    for row in rows:
        match answers[row["id"]]:
            case Ambiguous() as lost:
                if row["status"] == Status.SENDING:
                    outcome.unknown.append((row, lost.reason))
            case Refused() as refused:
                _sort_refused(outcome, row, refused, now)
            case Result() as result:
                _sort_result(outcome, row, result, now)
    return outcome


def _sort_refused(outcome: Sorted, row: asyncpg.Record, refused: Refused, now: datetime) -> None:
    match refused.scope:
        case Scope.ACCOUNT:
            outcome.paused = refused.reason
            outcome.again.append((row, refused.reason, now, row["attempts"] - 1))
        case Scope.LATER | Scope.BROKEN:
            _later(outcome, row, refused.reason, now)
        case Scope.MESSAGE if refused.reason == "blacklisted":
            outcome.blacklisted.append(row)
            outcome.ended.append((row, Status.FAILED, refused.reason))
        case Scope.MESSAGE:
            outcome.ended.append((row, Status.FAILED, refused.reason))


def _sort_result(outcome: Sorted, row: asyncpg.Record, result: Result, now: datetime) -> None:
    match result.fate:
        case Fate.ACCEPTED:
            outcome.sent.append((row, result))
        case Fate.BLACKLISTED:
            outcome.blacklisted.append(row)
            outcome.ended.append((row, Status.FAILED, "blacklisted"))
        case Fate.LATER:
            _later(outcome, row, result.reason or "later", now)
        case _:
            outcome.ended.append((row, Status.FAILED, result.reason or result.fate.value))
            if result.fate is Fate.INVALID and row["channel"] == "email":
                outcome.nonexistent.append(row)


def _later(outcome: Sorted, row: asyncpg.Record, reason: str, now: datetime) -> None:
    """Try again for as long as it is worth sending: a panel may be down, or a mail server grey, for hours."""
    due_at = now + backoff(row["attempts"])
    if due_at > row["not_after"]:
        outcome.ended.append((row, Status.FAILED, reason))
    else:
        outcome.again.append((row, reason, due_at, row["attempts"]))


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: 1, 2, 4, … seconds, at most ten minutes."""
    return timedelta(seconds=min(LONGEST_BACKOFF_S, 2.0 ** min(attempts - 1, 16)))


async def _mark_sent(tx: AsyncSession, sent: Sequence[tuple[asyncpg.Record, Result]], now: datetime) -> None:
    if not sent:
        return
    columns = _columns([(row["id"], result.provider_id, result.pack_id) for row, result in sent])
    costs = [result.cost for _, result in sent]
    await driver(tx).execute(sql.MARK_SENT, *columns, now, now + FIRST_POLL, costs)
    for row, _ in sent:
        tell(tx, row, Status.SENT, now, parts=row["parts"])


async def _mark_ended(tx: AsyncSession, ended: Sequence[tuple[asyncpg.Record, Status, str]], now: datetime) -> None:
    if not ended:
        return
    await driver(tx).execute(sql.END, *_columns([(row["id"], status, why) for row, status, why in ended]), now)
    for row, status, reason in ended:
        tell(tx, row, status, now, reason=reason)


async def _mark_again(tx: AsyncSession, again: Sequence[tuple[asyncpg.Record, str, datetime, int]]) -> None:
    if again:
        rows = [(row["id"], why, due_at, attempts) for row, why, due_at, attempts in again]
        await driver(tx).execute(sql.TRY_AGAIN, *_columns(rows))


async def mark_unknown(
    tx: AsyncSession, unknown: Sequence[tuple[asyncpg.Record, str]], now: datetime, *, look_at: datetime
) -> None:
    """Say of messages that nobody knows whether the provider has them; they are looked for from `look_at` on."""
    if not unknown:
        return
    await driver(tx).execute(sql.MARK_UNKNOWN, *_columns([(row["id"], why) for row, why in unknown]), look_at)
    for row, reason in unknown:
        tell(tx, row, Status.UNKNOWN, now, reason=reason)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
