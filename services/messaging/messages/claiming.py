"""Taking messages that are due: each is decided on, and what may leave is marked as being sent, before any call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.contacts.cards import Card
from services.messaging.limits import limits, lint_rules
from services.messaging.messages import sql
from services.messaging.messages.content import Content
from services.messaging.messages.decision import Decision, Facts, Limits, Outcome, decide
from services.messaging.messages.flights import flight_of
from services.messaging.messages.gathering import Batch, gather
from services.messaging.messages.lint import LintRules, size
from services.messaging.messages.statuses import LANES, Lane, Status
from services.messaging.messages.telling import tell
from services.messaging.providers.buckets import RESERVED_FOR_HIGHER_LANES, available, spend
from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.protocol import Outgoing
from services.messaging.providers.routing import CHANNEL_OF_KIND, Route, routes_for, tried_last
from services.messaging.settings import Settings
from shared.db import driver
from shared.ids import new_id

CHANNELS = frozenset(CHANNEL_OF_KIND.values())
PURPOSES = {lane: purpose for purpose, lane in LANES.items()}
EQUAL_IN_FLIGHT_WAIT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Messages marked as being sent: `send_id` names this attempt in their rows, `at` is when it was marked."""

    send_id: UUID
    at: datetime
    by_account: dict[UUID, list[Outgoing]]
    accounts: dict[UUID, ProviderAccount]


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that passed every step."""

    row: asyncpg.Record
    account_id: UUID
    outgoing: Outgoing


async def claim(tx: AsyncSession, lane: Lane, settings: Settings, now: datetime) -> tuple[int, Claimed | None]:
    """Decide on a batch of a lane; return how many were not just put off, and what is to be sent now.

    No more are looked at than the accounts may send now over their channel; where there is none, they are held. The
    rows stay locked until the commit, so that no other sender sees them; from then on their status says it.
    """
    reserve = RESERVED_FOR_HIGHER_LANES if lane is Lane.PROMOTIONAL else 0.0
    sendable = await available(driver(tx), PURPOSES[lane], now, reserve=reserve)
    most = {channel: min(settings.batch, sendable.get(channel, settings.batch)) for channel in CHANNELS}
    rows = await driver(tx).fetch(sql.TAKE, int(lane), now, list(most), list(most.values()))
    if not rows:
        return 0, None
    batch = await gather(tx, rows, settings, now)
    looked_at, rows = len(rows), await _staying(tx, rows, batch)
    rules = limits(settings)
    contents = {row["id"]: Content(row, batch) for row in rows}
    decisions = {row["id"]: _decide(row, batch, contents[row["id"]], rules, now) for row in rows}
    await _stop(tx, rows, decisions, now)
    ready = [
        _ready(row, contents[row["id"]], card, route)
        for row in rows
        if (route := decisions[row["id"]].route) is not None and (card := contents[row["id"]].card) is not None
    ]
    cleared = await _clear_for_flight(tx, ready, reserve, settings, now)
    sent = {each.row["id"] for each in cleared}
    await _record(tx, [row for row in rows if decisions[row["id"]].route is None or row["id"] in sent], decisions, now)
    put_off = len(ready) - len(cleared)
    return looked_at - put_off, await _mark(tx, cleared, batch, settings, now) if cleared else None


async def _staying(tx: AsyncSession, rows: Sequence[asyncpg.Record], batch: Batch) -> list[asyncpg.Record]:
    """Return the messages whose template still has their purpose; the others go on in the lane of its new one."""
    purposes = {template.code: template.purpose for template in batch.templates.values()}
    changed = {
        row["id"]: purpose
        for row in rows
        if (purpose := purposes.get(row["template"], row["purpose"])) != row["purpose"]
    }
    if changed:
        lanes = [int(LANES[purpose]) for purpose in changed.values()]
        await driver(tx).execute(sql.CHANGE_LANE, list(changed), list(changed.values()), lanes)
    return [row for row in rows if row["id"] not in changed]


def _decide(row: asyncpg.Record, batch: Batch, content: Content, rules: Limits, now: datetime) -> Decision:
    """Decide on one message; promotion that may leave counts for the next one to the same person."""
    decision = decide(_facts(row, batch, content, now), rules)
    if decision.route is not None and row["purpose"] == "promotional":
        batch.promote(row["person_id"])
    return decision


def _facts(row: asyncpg.Record, batch: Batch, content: Content, now: datetime) -> Facts:
    known = batch.known(row["person_id"])
    card = known.card
    address = card.address(row["channel"]) if card else None
    day, week = batch.promoted(row["person_id"])
    routes = routes_for(batch.routes, channel=row["channel"], purpose=row["purpose"])
    return Facts(
        now=now,
        channel=row["channel"],
        purpose=row["purpose"],
        created_at=row["created_at"],
        not_after=row["not_after"],
        card=card,
        erased=known.gone or batch.known(row["about_id"]).gone,
        awaits_card=known.awaits(row["person_id"], row["needs_topic"], row["needs_version"]),
        suppressed=batch.suppression_of(row["channel"], address),
        promotion_paused_until=batch.pause_of(row["person_id"]),
        promotional_day=day,
        promotional_week=week,
        automation_active=row["automation"] not in batch.inactive_automations,
        routes=tried_last(routes, row["account_id"]),
        render=content.text,
    )


async def _record(
    tx: AsyncSession, rows: Sequence[asyncpg.Record], decisions: dict[UUID, Decision], now: datetime
) -> None:
    """Store the decisions; one that holds a message for the reason it is already held for says nothing new."""
    stored = [
        {
            "id": row["id"],
            "outcome": decision.last.outcome,
            "reason": decision.last.reason if decision.route is None else None,
            "steps": [verdict.as_json() for verdict in decision.steps],
        }
        for row in rows
        if not _still_held(row, decision := decisions[row["id"]])
    ]
    if stored:
        await driver(tx).execute(sql.DECIDED, orjson.dumps(stored, default=str).decode(), now)


def _still_held(row: asyncpg.Record, decision: Decision) -> bool:
    return (
        row["status"] == Status.HELD and decision.last.outcome is Outcome.HOLD and row["reason"] == decision.last.reason
    )


async def _stop(
    tx: AsyncSession, rows: Sequence[asyncpg.Record], decisions: dict[UUID, Decision], now: datetime
) -> None:
    """Hold, suppress or fail what did not pass."""
    held: list[tuple[UUID, str, str | None, datetime]] = []
    ended: list[tuple[UUID, str, str | None]] = []
    for row in rows:
        last = decisions[row["id"]].last
        if last.outcome is Outcome.HOLD and last.until is not None:
            held.append((row["id"], Status.HELD, last.reason, last.until))
            if not _still_held(row, decisions[row["id"]]):
                tell(tx, row, Status.HELD, now, reason=last.reason, held_until=last.until)
        elif last.outcome in {Outcome.SUPPRESS, Outcome.FAIL}:
            status = Status.SUPPRESSED if last.outcome is Outcome.SUPPRESS else Status.FAILED
            ended.append((row["id"], status, last.reason))
            tell(tx, row, status, now, reason=last.reason)
    if held:
        await driver(tx).execute(sql.POSTPONE, *_columns(held))
    if ended:
        await driver(tx).execute(sql.END, *_columns(ended), now)


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _ready(row: asyncpg.Record, content: Content, card: Card, route: Route) -> Ready:
    rendered = content.rendered
    outgoing = Outgoing(
        message_id=row["id"],
        line=route.line,
        address=card.address(row["channel"]) or "",
        text=rendered.text,
        subject=rendered.subject,
        html=rendered.html,
        locale=content.locale,
        unsubscribe_url=content.unsubscribe_url,
    )
    return Ready(row, route.account_id, outgoing)


async def _clear_for_flight(
    tx: AsyncSession, ready: Sequence[Ready], reserve: float, settings: Settings, now: datetime
) -> list[Ready]:
    """Keep back what exceeds an account's rate, and what equals a text already on its way to that number."""
    within = await _within_rate(tx, ready, reserve, now)
    if not within:
        return []
    flights = [_flight(each.outgoing, settings) for each in within]
    rows = await driver(tx).fetch(sql.FLY, flights, [each.row["id"] for each in within])
    free = {row["message_id"] for row in rows}
    waiting = [each for each in within if each.row["id"] not in free]
    await _postpone(tx, waiting, "equal_in_flight", now + EQUAL_IN_FLIGHT_WAIT)
    return [each for each in within if each.row["id"] in free]


def _flight(sent: Outgoing, settings: Settings) -> bytes:
    return flight_of(settings, sent.line, sent.address, sent.text, sent.subject)


async def _within_rate(tx: AsyncSession, ready: Sequence[Ready], reserve: float, now: datetime) -> list[Ready]:
    by_account: dict[UUID, list[Ready]] = defaultdict(list)
    for each in ready:
        by_account[each.account_id].append(each)
    within: list[Ready] = []
    for account_id, mine in sorted(by_account.items()):
        granted, wait = await spend(driver(tx), account_id, len(mine), now, reserve=reserve)
        within.extend(mine[:granted])
        await _postpone(tx, mine[granted:], "rate", now + wait)
    return within


async def _postpone(tx: AsyncSession, waiting: Sequence[Ready], reason: str, until: datetime) -> None:
    if waiting:
        rows = [(each.row["id"], Status.QUEUED, reason, until) for each in waiting]
        await driver(tx).execute(sql.POSTPONE, *_columns(rows))


async def _mark(tx: AsyncSession, cleared: Sequence[Ready], batch: Batch, settings: Settings, now: datetime) -> Claimed:
    """Write down what is sent, to whom and over which line; the commit comes before the call."""
    claimed = Claimed(new_id(), now, defaultdict(list), dict(batch.accounts))
    columns = _columns([_sent_columns(each, lint_rules(settings)) for each in cleared])
    await driver(tx).execute(
        sql.MARK_SENDING,
        [each.row["id"] for each in cleared],
        claimed.send_id,
        now,
        now + timedelta(seconds=settings.lease_s),
        *columns,
    )
    for each in cleared:
        claimed.by_account[each.account_id].append(each.outgoing)
    return claimed


def _sent_columns(each: Ready, rules: LintRules) -> tuple[object, ...]:
    sent = each.outgoing
    parts = size(sent.text, rules).count if each.row["channel"] == "sms" else None
    return (each.account_id, sent.line, sent.address, sent.subject, sent.text, sent.html, parts)
