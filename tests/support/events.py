"""What a service published, and events delivered to it, without a relay or a worker at work."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

from shared.contracts import Event, registry
from shared.outbox.writing import CARD_TYPE
from shared.service import Runtime

E = TypeVar("E", bound=Event)


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


async def turn(runtime: Runtime, clock: str) -> int:
    """Turn one of the service's clocks until it finds nothing more to do; return how much it did."""
    found = next(candidate for candidate in runtime.service.clocks if candidate.name == clock)
    done = 0
    while handled := await found.turn(runtime):
        done += handled
    return done
