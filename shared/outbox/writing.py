"""Writing events: a row in the outbox, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utcnow
from shared.contracts import Event, Received
from shared.db import before_commit, driver
from shared.db import flush as flush_session
from shared.ids import derived_id, new_id

CARD_TYPE = "contact.changed"
"""Type of a row, and of the record made of it, that says a person's contact card changed."""

RESTATED = UUID("76e8c5a0-9b0e-5f3e-8f57-2d4f5d1a7c10")
"""Cause of events that only say again what is so, after a restore: nobody is to get a message because of them."""

COLUMNS = "id, topic, type, key, subject, body, occurred_at, correlation_id, causation_id, traceparent"
WIDTH = COLUMNS.count(",") + 1

INSERT = f"""
INSERT INTO outbox ({COLUMNS})
SELECT {COLUMNS} FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::bytea[], $7::timestamptz[], $8::text[],
    $9::uuid[], $10::text[]
) WITH ORDINALITY AS new({COLUMNS}, place) ORDER BY place
"""

FEW = 5
"""Up to so many rows are written by a statement of their own, as arrays of them take longer to encode and to read."""

MANY = 500
"""From so many rows on COPY writes them: the driver takes much longer to encode them as arrays."""

encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Cause:
    """What an event follows from: a request (`correlation_id`), or an event that a handler is at work on."""

    correlation_id: str | None = None
    traceparent: str | None = None
    event_id: UUID | None = None
    handler: str = ""
    made: dict[tuple[UUID, str], int] = field(default_factory=dict)

    def next_id(self, event_id: UUID | None) -> UUID:
        """Return an event's id; made by a handler it is the same whenever the handler runs again."""
        if event_id is None:
            return new_id()
        ordinal = self.made[event_id, self.handler] = self.made.get((event_id, self.handler), -1) + 1
        return derived_id(event_id, self.handler, ordinal)


_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """Let events that are added within the block name `cause`."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def add(tx: AsyncSession, *events: Event, cause: Received[Event] | None = None) -> None:
    """Publish `events` with the transaction: they are written last thing before the commit, in this order.

    So their sequence is drawn after the rows that they speak of are locked or written. A handler that takes a
    batch says which event led to which by `cause`.
    """
    rows = _buffer(tx)
    rows.extend(row(event, cause=cause) for event in events)


def add_card(tx: AsyncSession, topic: str, *person_ids: UUID) -> None:
    """Publish that the contact cards of `person_ids` changed; the relay reads them when it sends."""
    _buffer(tx).extend(card_row(topic, person_id) for person_id in dict.fromkeys(person_ids))


def card_row(topic: str, person_id: UUID) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for a contact card that changed, for hot paths."""
    return new_id(), topic, CARD_TYPE, person_id, person_id, None, utcnow(), None, None, None


def row(event: Event, *, cause: Received[Event] | None = None) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` for an event, for hot paths that write it in one statement with the change."""
    context = _cause.get() or Cause()
    causing = cause.id if cause is not None else context.event_id
    return (
        context.next_id(causing),
        event.topic,
        event.type,
        event.key,
        event.subject,
        encode(event),
        event.occurred_at,
        (cause.correlation_id if cause is not None else None) or context.correlation_id,
        causing,
        (cause.traceparent if cause is not None else None) or context.traceparent,
    )


async def flush(tx: AsyncSession) -> None:
    """Write what was added so far, cards first, as facts name them; runs by itself before the commit."""
    rows = tx.info.pop("outbox", None)
    if not rows:
        return
    await flush_session(tx)
    rows.sort(key=lambda values: bool(values[2] != CARD_TYPE))
    await write(tx, rows)


@cache
def inserting(rows: int, after: int = 0) -> str:
    """Return the statement that writes so many rows; their values are its parameters from the one `after` on."""
    of_row = [range(first, first + WIDTH) for first in range(after + 1, after + 1 + rows * WIDTH, WIDTH)]
    values = ", ".join(f"({', '.join(f'${number}' for number in numbers)})" for numbers in of_row)
    return f"INSERT INTO outbox ({COLUMNS}) VALUES {values}"


async def write(tx: AsyncSession, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of `COLUMNS` at once, in their order, for hot paths that have locked or written what they speak of."""
    if len(rows) <= FEW:
        await driver(tx).execute(inserting(len(rows)), *chain.from_iterable(rows))
    elif len(rows) < MANY:
        await driver(tx).execute(INSERT, *(list(column) for column in zip(*rows, strict=True)))
    else:
        await driver(tx).copy_records_to_table("outbox", columns=COLUMNS.split(", "), records=rows)
    written(tx)


def written(tx: AsyncSession) -> None:
    """Say that a hot path wrote to the outbox itself, so that the relay is woken after the commit."""
    tx.info["wrote_events"] = True


def _buffer(tx: AsyncSession) -> list[tuple[Any, ...]]:
    before_commit(tx, flush)
    rows: list[tuple[Any, ...]] = tx.info.setdefault("outbox", [])
    return rows
