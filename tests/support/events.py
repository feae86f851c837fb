"""What a service published, and events delivered to it, without a relay or a worker at work."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar, overload
from uuid import UUID

import msgspec

from shared.bus import Record
from shared.clock import utcnow
from shared.contracts import Event, registry
from shared.contracts.cards import CUSTOMERS_CONTACTS, LEADS_CONTACTS, CardVersion, ContactCard
from shared.ids import derived_id
from shared.outbox import wire
from shared.outbox.handling import apply_batch
from shared.outbox.writing import CARD_TYPE, encode
from shared.service import Runtime

E = TypeVar("E", bound=Event)
Card = ContactCard | UUID
"""A contact card, or the id of a person whose card was erased."""

_versions = itertools.count(1)


@overload
async def published(runtime: Runtime, kind: type[E]) -> list[E]: ...
@overload
async def published(runtime: Runtime, kind: None = None) -> list[Event]: ...
async def published(runtime: Runtime, kind: type[Event] | None = None) -> list[Any]:
    """Return the events in the outbox in their order, all or those of one type; contact cards left out."""
    async with runtime.db.connection() as connection:
        rows = await connection.fetch("SELECT type, body FROM outbox WHERE type <> $1 ORDER BY seq", CARD_TYPE)
    events = [msgspec.json.decode(row["body"], type=registry[row["type"]]) for row in rows]
    return [event for event in events if kind is None or isinstance(event, kind)]


async def published_cards(runtime: Runtime) -> dict[UUID, ContactCard | None]:
    """Return the contact cards that the relay would send now, by key; None where it would send a tombstone."""
    cards: dict[UUID, ContactCard | None] = {}
    async with runtime.db.connection() as connection:
        rows = await connection.fetch("SELECT topic, key FROM outbox WHERE type = $1 ORDER BY seq", CARD_TYPE)
        for row in rows:
            bodies = await runtime.service.card_readers[row["topic"]](connection, [row["key"]])
            body = bodies.get(row["key"])
            cards[row["key"]] = msgspec.json.decode(body, type=ContactCard) if body is not None else None
    return cards


async def deliver(
    runtime: Runtime, *events: Event | Card, topic: str | None = None, card: CardVersion | None = None
) -> None:
    """Run the service's handlers over events and cards, as the inbox does with a batch, in one transaction.

    Equal events get equal ids, so delivering one again is a redelivery. Cards travel on `topic`; by default an
    agent's or lead's on the leads' topic, all others on the customers'. `card` is the one that the facts go with.
    """
    records = [record_of(each, topic, card) for each in events]
    async with runtime.db.transaction() as tx:
        await apply_batch(tx, runtime, records)


def event_id(event: Event) -> UUID:
    """Return the id that `deliver` gives an event."""
    return derived_id(event.subject, event.type, encode(event).decode())


def record_of(given: Event | Card, topic: str | None = None, card: CardVersion | None = None) -> Record:
    """Return an event or a card as it is read from the log."""
    if isinstance(given, Event):
        kind, key, subject = given.type, given.key, given.subject
        body: bytes | None = encode(given)
        place, id_, occurred_at = given.topic, event_id(given), given.occurred_at
    else:
        key = subject = given if isinstance(given, UUID) else given.person_id
        of_leads = isinstance(given, ContactCard) and given.kind in {"lead", "agent"}
        place = topic or (LEADS_CONTACTS if of_leads else CUSTOMERS_CONTACTS)
        body = None if isinstance(given, UUID) else msgspec.json.encode(given)
        kind, id_, occurred_at = CARD_TYPE, derived_id(key, next(_versions)), utcnow()
    row = {
        "id": id_,
        "topic": place,
        "type": kind,
        "key": key,
        "subject": subject,
        "occurred_at": occurred_at,
        "recorded_at": utcnow(),
        "seq": next(_versions),
        "correlation_id": None,
        "causation_id": None,
        "traceparent": None,
    }
    return wire.record_of(row, source="/test", partition=0, position=0, body=body, card=card)


async def turn(runtime: Runtime, clock: str) -> int:
    """Turn one of the service's clocks until it finds nothing more to do; return how much it did."""
    found = next(candidate for candidate in runtime.service.clocks if candidate.name == clock)
    done = 0
    while handled := await found.turn(runtime):
        done += handled
    return done
