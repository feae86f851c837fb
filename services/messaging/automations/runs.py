"""Runs of automations: begun by events, stepped by a clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations import sql
from services.messaging.automations.advancing import Progress, Run, Sendable, advance
from services.messaging.automations.models import Automation
from services.messaging.automations.steps import lead_in_s, read_steps
from services.messaging.contacts.queries import erased_of
from services.messaging.messages.intents import queue
from services.messaging.settings import Settings
from services.messaging.suppressions.usecases import pause_promotion
from services.messaging.templates.models import Template
from shared import outbox
from shared.clock import utcnow
from shared.conditions import event_fields, matching
from shared.contracts import Event, Received
from shared.db import driver
from shared.ids import derived_id
from shared.service import Runtime

BATCH = 500
SKIP_BATCH = 5_000


async def begin_runs(tx: AsyncSession, received: Sequence[Received[Event]], now: datetime) -> None:
    """Begin a run of every automation that an event triggers; an event that was seen before begins none.

    The run's due time says when its first step that does something should have been taken.
    """
    by_type: dict[str, list[Received[Event]]] = defaultdict(list)
    for each in received:
        by_type[each.type].append(each)
    triggered = select(Automation).where(Automation.active, Automation.trigger.in_(by_type)).order_by(Automation.code)
    for automation in await tx.scalars(triggered):
        events = await _fitting(tx, automation, by_type[automation.trigger])
        await _begin(tx, automation, events, now)


async def _fitting(
    tx: AsyncSession, automation: Automation, events: Sequence[Received[Event]]
) -> Sequence[Received[Event]]:
    if automation.condition is None:
        return events
    fields = event_fields(type(events[0].event))
    holds = await matching(driver(tx), automation.condition, [each.event for each in events], fields)
    return [each for each, fits in zip(events, holds, strict=True) if fits]


async def _begin(tx: AsyncSession, automation: Automation, events: Sequence[Received[Event]], now: datetime) -> None:
    if not events:
        return
    steps = read_steps(automation.steps)
    rows = []
    for each in events:
        payload = msgspec.to_builtins(each.event)
        seconds, place = lead_in_s(steps, payload)
        due_at = each.event.occurred_at + timedelta(seconds=automation.delay_s + seconds)
        version = each.card.version if each.card else 0
        context = orjson.dumps({"event": each.type, "payload": payload, "card_version": version}).decode()
        rows.append((derived_id(each.id, "automation", automation.code), each.id, each.key, place, context, due_at))
    columns = [list(column) for column in zip(*rows, strict=True)]
    await driver(tx).execute(sql.BEGIN, automation.code, orjson.dumps(automation.steps).decode(), now, *columns)


async def step_runs(runtime: Runtime) -> int:
    """Take the due steps of a batch of runs; return how many runs there were.

    Those whose step should have been taken too long ago are recorded as skipped, many at a time.
    """
    now = utcnow()
    oldest = now - timedelta(hours=runtime.settings.stale_effect_hours)
    async with runtime.db.transaction() as tx:
        tag = await driver(tx).execute(sql.SKIP_STALE, now, oldest, SKIP_BATCH)
    skipped = int(tag.rpartition(" ")[2])
    async with runtime.db.transaction() as tx:
        rows = await driver(tx).fetch(sql.TAKE, now, BATCH, oldest)
        if rows:
            await _step(tx, rows, runtime.settings, now)
    return skipped + len(rows)


async def _step(tx: AsyncSession, rows: Sequence[asyncpg.Record], settings: Settings, now: datetime) -> None:
    templates = await _sendable(tx, rows)
    erased = await erased_of(driver(tx), {row["person_id"] for row in rows})
    wait = timedelta(seconds=settings.coupon_wait_s)
    stepped: list[tuple[asyncpg.Record, Progress]] = []
    for row in rows:
        if row["person_id"] in erased:
            stepped.append((row, Progress("cancelled", row["step"], now, "erased")))
        elif row["active"]:
            stepped.append((row, advance(_run(row), templates, now=now, coupon_wait=wait)))
        else:
            stepped.append((row, Progress("cancelled", row["step"], now, "automation_off")))
    await _store(tx, stepped, now)
    for row, progress in stepped:
        if progress.pause_days is not None:
            await pause_promotion(tx, row["person_id"], progress.pause_days, row["automation"], now)
        outbox.add(tx, *progress.events)
    intents = [intent for _, progress in stepped for intent in progress.intents]
    await queue(tx, intents, now=now, stale_after=timedelta(hours=settings.stale_effect_hours))


async def _store(tx: AsyncSession, stepped: Sequence[tuple[asyncpg.Record, Progress]], now: datetime) -> None:
    rows = [(row["id"], p.status, p.reason, p.step, p.due_at, p.request_id) for row, p in stepped]
    await driver(tx).execute(sql.STEPPED, now, *(list(column) for column in zip(*rows, strict=True)))


async def _sendable(tx: AsyncSession, rows: Sequence[asyncpg.Record]) -> dict[str, Sendable]:
    codes = {step["template"] for row in rows for step in orjson.loads(row["steps"]) if "template" in step}
    found = await tx.execute(select(Template.code, Template.channel, Template.purpose).where(Template.code.in_(codes)))
    return {code: Sendable(channel, purpose) for code, channel, purpose in found}


def _run(row: asyncpg.Record) -> Run:
    context = orjson.loads(row["context"])
    return Run(
        id=row["id"],
        automation=row["automation"],
        person_id=row["person_id"],
        status=row["status"],
        step=row["step"],
        steps=orjson.loads(row["steps"]),
        event_type=context["event"],
        payload=context["payload"],
        card_version=context.get("card_version", 0),
        coupon=orjson.loads(row["coupon"]) if row["coupon"] else None,
    )


async def answer_coupons(tx: AsyncSession, answers: Sequence[tuple[Any, dict[str, Any] | None]], now: datetime) -> None:
    """Let the runs go on that wait for these requests: with the coupon, or (None) refused."""
    requests = [request_id for request_id, _ in answers]
    coupons = [orjson.dumps(coupon).decode() if coupon else None for _, coupon in answers]
    await driver(tx).execute(sql.ANSWERED, now, requests, coupons)
