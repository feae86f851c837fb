"""Finding out what became of messages that nobody knows about, by the provider's own reports (PROVIDERS.md).

A message is sought by a digest of line, number and text, from the time of its request on, also where an erasure has
left nothing else of it; of equal texts to one number at most one is on its way, so what is found is this one. Not
found for long enough, it was not accepted, and is sent again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from services.messaging.messages import sql
from services.messaging.messages.flights import flight_of
from services.messaging.messages.results import Sorted, mark_unknown, store
from services.messaging.messages.statuses import Status
from services.messaging.providers.protocol import Fate, Refused, Report, Result
from services.messaging.providers.queries import account_by_id
from services.messaging.settings import Settings
from shared.clock import utcnow
from shared.db import driver
from shared.service import Runtime

log = structlog.get_logger(__name__)

BATCH = 200
LOOK_EVERY = timedelta(seconds=5)
SEARCH_LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Sought:
    """An unknown message, one attempt at it; without a `flight` it cannot be found in a provider's reports."""

    id: UUID
    send_id: UUID
    flight: bytes | None
    started_at: datetime


async def expire_leases(runtime: Runtime) -> int:
    """Call what was being sent by a process that died `unknown`; return how many there were."""
    now = utcnow()
    async with runtime.db.transaction() as tx:
        rows = await driver(tx).fetch(sql.EXPIRED_LEASES, now, BATCH)
        await mark_unknown(tx, [(row, "lease_expired") for row in rows], now, look_at=now)
    return len(rows)


async def reconcile(runtime: Runtime) -> int:
    """Look for unknown messages; return how many were looked for."""
    async with runtime.db.transaction() as tx:
        now = utcnow()
        rows = await driver(tx).fetch(sql.UNKNOWN, now, BATCH)
        await driver(tx).execute(sql.LOOK_AGAIN, [row["id"] for row in rows], now + SEARCH_LEASE)
    by_account: dict[UUID, list[Sought]] = defaultdict(list)
    for row in rows:
        sought = Sought(row["id"], row["send_id"], _flight(row, runtime.settings), row["started_at"])
        by_account[row["account_id"]].append(sought)
    for account_id, theirs in by_account.items():
        await _reconcile_account(runtime, account_id, theirs)
    return len(rows)


def _flight(row: asyncpg.Record, settings: Settings) -> bytes | None:
    """Return the digest that a message is sought by; None of a mail, as mail servers keep no reports.

    While the text is there it is made of that, so that none made by an older version, or with another key, is in the
    way. After an erasure the one that was kept serves.
    """
    if row["channel"] != "sms":
        return None
    if row["text"] is None:
        kept: bytes | None = row["flight"]
        return kept
    return flight_of(settings, row["line"], row["address"], row["text"])


async def _reconcile_account(runtime: Runtime, account_id: UUID, sought: Sequence[Sought]) -> None:
    asked_at = utcnow()
    found = await _search(runtime, account_id, sought)
    now = utcnow()
    async with runtime.db.transaction() as tx:
        if found is None:
            await driver(tx).execute(sql.LOOK_AGAIN, [each.id for each in sought], now + LOOK_EVERY)
            return
        attempts = [each.send_id for each in sought]
        rows = await driver(tx).fetch(sql.LOCK_UNKNOWN, [each.id for each in sought], attempts)
        by_id = {each.id: each for each in sought}
        outcome = Sorted()
        for row in rows:
            each = by_id[row["id"]]
            given_up = asked_at - each.started_at > timedelta(seconds=runtime.settings.reconcile_for_s)
            _settle(outcome, row, each, found.get(row["id"]), now if given_up else None)
        settled = set(outcome.landed)
        still = [row["id"] for row in rows if row["id"] not in settled]
        await driver(tx).execute(sql.LOOK_AGAIN, still, now + LOOK_EVERY)
        await store(tx, outcome, runtime.settings, now)


async def _search(runtime: Runtime, account_id: UUID, sought: Sequence[Sought]) -> Mapping[UUID, Report] | None:
    """Return the reports of what was found; None where the provider cannot be asked now."""
    findable = [each for each in sought if each.flight is not None]
    if not findable:
        return {}
    async with runtime.db.transaction() as tx:
        account = await account_by_id(tx, account_id)
    if account is None:
        return {}
    since = min(each.started_at for each in findable) - timedelta(seconds=runtime.settings.clock_skew_s)
    try:
        reports = [report async for report in runtime.resources.sms(account).sends(since)]
    except Refused as refused:
        log.warning("reconciliation_postponed", account_id=str(account_id), reason=refused.reason)
        return None
    async with runtime.db.connection() as connection:
        ids = [report.provider_id for report in reports]
        known = {row["provider_id"] for row in await connection.fetch(sql.KNOWN_PROVIDER_IDS, account_id, ids)}
    fresh = [
        (flight_of(runtime.settings, report.line, report.address, report.text), report)
        for report in reports
        if report.provider_id not in known
    ]
    return match(findable, fresh, timedelta(seconds=runtime.settings.clock_skew_s))


def match(sought: Sequence[Sought], reports: Sequence[tuple[bytes, Report]], skew: timedelta) -> dict[UUID, Report]:
    """Pair messages with reports of the same flight, not older than the request; each report once."""
    by_flight: dict[bytes | None, list[Report]] = defaultdict(list)
    for flight, report in reports:
        by_flight[flight].append(report)
    found: dict[UUID, Report] = {}
    for each in sorted(sought, key=lambda each: each.started_at):
        candidates = by_flight.get(each.flight, [])
        fitting = [r for r in candidates if r.sent_at is None or r.sent_at >= each.started_at - skew]
        if fitting:
            found[each.id] = fitting[0]
            candidates.remove(fitting[0])
    return found


def _settle(
    outcome: Sorted, row: asyncpg.Record, sought: Sought, report: Report | None, again_at: datetime | None
) -> None:
    """Decide what an unknown message is: sent, not sent (to be sent `again_at`), or not known yet."""
    if report is not None:
        outcome.sent.append((row, Result(Fate.ACCEPTED, report.provider_id)))
    elif sought.flight is None:
        outcome.ended.append((row, Status.UNKNOWN, "cannot_be_reconciled"))
    elif again_at is not None:
        outcome.again.append((row, "not_accepted", again_at, row["attempts"]))
