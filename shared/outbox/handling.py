"""Running records through a consumer's handlers: what the inbox, the drain, a rebuild and tests have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.cards import ReceivedCard
from shared.db import driver
from shared.db import flush as flush_session
from shared.outbox import erasure, wire
from shared.outbox.consumer import Consumer, Handler, Kind, occurred_at
from shared.outbox.writing import CARD_TYPE, RESTATED, Cause, caused_by, flush
from shared.service import Runtime

ALL_KINDS = (Kind.STATE, Kind.OWN, Kind.EFFECT)

_SKIP = """
INSERT INTO skipped_effects (consumer, handler, event_id, type, due_at, reason, skipped_at)
SELECT $1, $2, id, type, due_at, $7, $6
FROM unnest($3::uuid[], $4::text[], $5::timestamptz[]) AS s(id, type, due_at)
ON CONFLICT DO NOTHING
"""


def wanted(consumer: Consumer, records: Sequence[Record]) -> list[Record]:
    """Return the records that anybody listens to; asked before anything is decoded.

    Nobody can say that of a type that the running contracts do not know, so it is wanted, to be parked.
    """
    heard = {
        (topic, kind)
        for topic, kind in {(record.topic, record.headers["ce_type"]) for record in records}
        if (consumer.hears_cards(topic) if kind == CARD_TYPE else _hears(consumer, kind))
    }
    return [record for record in records if (record.topic, record.headers["ce_type"]) in heard]


def _hears(consumer: Consumer, kind: str) -> bool:
    return kind in consumer.by_type or kind in erasure.TYPES or not wire.is_known(kind)


async def apply_batch(
    tx: AsyncSession,
    runtime: Runtime,
    records: Sequence[Record],
    kinds: Collection[Kind] = ALL_KINDS,
    *,
    restored: bool = False,
) -> None:
    """Run `records`, in their order, through the handlers of `runtime.service`, as part of the transaction `tx`.

    This is all that the inbox does with a batch between locking its row and moving it, so a test that calls it sees
    what a running service does. State handlers come first, then own, then effect. Within a kind, batch handlers come
    before the others and get all their events at once (so what they write may not depend on the order between two
    of them); the others run event by event. What was added to the outbox is written before this returns. A record
    that no handler wants is skipped, undecoded. `restored` says that the records were handled before, by a database
    that is gone: effects are recorded as skipped. Raises whatever a handler raised: nothing of the batch may stand.
    """
    consumer = runtime.service.consumer
    tx.info["runtime"], tx.info["restored"] = runtime, restored
    events, cards, erased = _sorted(consumer, records)
    for kind in ALL_KINDS:
        if kind in kinds:
            await _cards(tx, consumer, cards, kind)
            await _batches(tx, runtime, events, kind)
            await _each(tx, runtime, events, kind)
    if Kind.OWN in kinds:
        await erasure.forget(tx, erased)
        await erasure.forget_before(tx, cards)
    await flush(tx)
    await flush_session(tx)


def _sorted(
    consumer: Consumer, records: Sequence[Record]
) -> tuple[list[Received[Any]], list[ReceivedCard], list[Record]]:
    """Return the facts that a handler takes, decoded; the newest cards; and the records that say who was erased."""
    facts: list[Received[Any]] = []
    cards: list[ReceivedCard] = []
    erased: list[Record] = []
    for record in records:
        kind = record.headers["ce_type"]
        if kind in erasure.TYPES:
            erased.append(record)
        if contract := consumer.by_type.get(kind):
            facts.append(wire.received(record, contract))
        elif kind == CARD_TYPE and consumer.hears_cards(record.topic):
            cards.append(wire.received_card(record))
    return facts, _newest(cards), erased


def _newest(cards: Sequence[ReceivedCard]) -> list[ReceivedCard]:
    """Return the card with the highest version of each key and topic, in a fixed order of keys."""
    newest: dict[tuple[str, Any], ReceivedCard] = {}
    for card in cards:
        held = newest.get((card.topic, card.key))
        if held is None or card.version > held.version:
            newest[card.topic, card.key] = card
    return sorted(newest.values(), key=lambda card: card.key)


async def _cards(tx: AsyncSession, consumer: Consumer, cards: Sequence[ReceivedCard], kind: Kind) -> None:
    for handler in consumer.card_handlers:
        if handler.kind is kind and (mine := [card for card in cards if card.topic == handler.topic]):
            with caused_by(Cause(handler=handler.name)):
                await handler.run(tx, mine)


async def _batches(tx: AsyncSession, runtime: Runtime, events: Sequence[Received[Any]], kind: Kind) -> None:
    present = {event.type for event in events}
    for handler in runtime.service.consumer.handlers:
        if handler.batch and handler.kind is kind and not present.isdisjoint(handler.types):
            mine = await _due(tx, runtime, handler, [event for event in events if event.type in handler.types])
            if mine:
                with caused_by(Cause(handler=handler.name)):
                    await handler.run(tx, mine)


async def _each(tx: AsyncSession, runtime: Runtime, events: Sequence[Received[Any]], kind: Kind) -> None:
    handlers = [h for h in runtime.service.consumer.handlers if not h.batch and h.kind is kind]
    if not handlers:
        return
    for event in events:
        for handler in handlers:
            if event.type in handler.types and await _due(tx, runtime, handler, [event]):
                with caused_by(Cause(event.correlation_id, event.traceparent, event.id, handler.name)):
                    await handler.run(tx, event)


async def _due(
    tx: AsyncSession, runtime: Runtime, handler: Handler, events: list[Received[Any]]
) -> list[Received[Any]]:
    """Return what a handler may still do; an effect that is not to be is recorded as skipped, with the reason."""
    if handler.kind is not Kind.EFFECT or not events:
        return events
    now = utcnow()
    oldest = now - timedelta(hours=runtime.settings.stale_effect_hours)
    skipped: defaultdict[str, dict[UUID, Received[Any]]] = defaultdict(dict)
    for event in events:
        if reason := _reason_to_skip(handler, event, oldest, restored=tx.info["restored"]):
            skipped[reason][event.id] = event
    due_at = handler.due_at or occurred_at
    for reason, those in skipped.items():
        await driver(tx).execute(
            _SKIP,
            runtime.service.consumer.service,
            handler.name,
            list(those),
            [event.type for event in those.values()],
            [due_at(event) for event in those.values()],
            now,
            reason,
        )
    return [event for event in events if not any(event.id in those for those in skipped.values())]


def _reason_to_skip(handler: Handler, event: Received[Any], oldest: datetime, *, restored: bool) -> str | None:
    if restored:
        return "restored"
    if event.causation_id == RESTATED:
        return "restated"
    return "stale" if handler.due_at is not None and handler.due_at(event) < oldest else None
