"""What an operator does with parked and dead events: look, try again, give up."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from shared.bus import TopicPartition
from shared.clock import utcnow
from shared.db import Database, driver
from shared.errors import Invalid, NotFound
from shared.outbox import wire
from shared.outbox.parking import let_go, names

STATES = ("parked", "unknown", "dead", "discarded")

_LIST = """
SELECT topic, partition, "offset", key, type, called.state, attempts, next_attempt_at, parked_at, error
FROM parked CROSS JOIN LATERAL (
    SELECT CASE WHEN unknown AND state = 'parked' THEN 'unknown' ELSE state END
) AS called (state)
WHERE consumer = ANY($1::text[]) AND ($2::text IS NULL OR called.state = $2) AND (error IS NOT NULL OR $3)
ORDER BY topic, partition, "offset" LIMIT $4
"""
_SHOW = 'SELECT * FROM parked WHERE consumer = ANY($1::text[]) AND topic = $2 AND partition = $3 AND "offset" = $4'
_REPLAY = """
UPDATE parked SET state = 'parked', attempts = 0, next_attempt_at = $2
WHERE consumer = ANY($1::text[]) AND topic = $3 AND partition = $4 AND "offset" = $5 AND state IN ('parked', 'dead')
"""
_REPLAY_ALL = """
UPDATE parked SET state = 'parked', attempts = 0, next_attempt_at = $2
WHERE consumer = ANY($1::text[]) AND (
    state = 'dead' OR (state = 'parked' AND error IS NOT NULL AND (NOT unknown OR type = ANY($3::text[])))
)
"""
_DISCARD = """
UPDATE parked SET state = 'discarded', body = NULL
WHERE consumer = ANY($1::text[]) AND topic = $2 AND partition = $3 AND "offset" = $4 AND state <> 'discarded'
RETURNING consumer, key
"""


class NotAPlace(Invalid):
    code = "not_a_place"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} names no event; topic/partition/offset does, such as leads.events.v1/3/120.")


class NotAState(Invalid):
    code = "not_a_state"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no state of an event; one of {', '.join(STATES)} is.")


class NoSuchEvent(NotFound):
    code = "no_such_parked_event"

    def __init__(self, place: Place) -> None:
        super().__init__(f"No event is parked or dead at {place}.")


class Place(NamedTuple):
    """Where in the log a parked event lies; below offset 0 where it lay in a log that was replaced by an older copy."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def of(cls, text: str) -> Place:
        """Read `topic/partition/offset`; raise `NotAPlace` for anything else."""
        topic, _, rest = text.partition("/")
        partition, _, offset = rest.partition("/")
        if not (topic and partition.isdecimal() and offset.removeprefix("-").isdecimal()):
            raise NotAPlace(text)
        return cls(topic, int(partition), int(offset))


async def listed(
    db: Database, consumer: str, *, state: str | None = None, followers: bool = False, most: int = 100
) -> list[asyncpg.Record]:
    """Return parked events without their bodies; `followers` too, which only wait behind another of their key.

    `state` is `parked`, `unknown` (parked until code knows it), `dead` or `discarded`; raises `NotAState` for others.
    """
    if state is not None and state not in STATES:
        raise NotAState(state)
    async with db.connection() as connection:
        return list(await connection.fetch(_LIST, names(consumer), state, followers, most))


async def shown(db: Database, consumer: str, place: Place) -> asyncpg.Record:
    """Return one event with headers and body."""
    async with db.connection() as connection:
        row = await connection.fetchrow(_SHOW, names(consumer), *place)
    if row is None:
        raise NoSuchEvent(place)
    return row


async def replay(db: Database, consumer: str, place: Place | None = None) -> int:
    """Let the drain try an event, or all, again at once; return how many.

    All are those that failed: what only waits, behind another of its key or for code that knows it, is not tried.
    """
    async with db.connection() as connection:
        if place is not None:
            status = await connection.execute(_REPLAY, names(consumer), utcnow(), *place)
        else:
            status = await connection.execute(_REPLAY_ALL, names(consumer), utcnow(), wire.known_types())
    count = int(status.split()[-1])
    if place is not None and count == 0:
        raise NoSuchEvent(place)
    return count


async def discard(db: Database, consumer: str, place: Place) -> None:
    """Give an event up for good: its body goes, its place is remembered so that a rebuild leaves it out."""
    async with db.transaction() as tx:
        rows = await driver(tx).fetch(_DISCARD, names(consumer), *place)
        for row in rows:
            await let_go(driver(tx), row["consumer"], TopicPartition(place.topic, place.partition), [row["key"]])
    if not rows:
        raise NoSuchEvent(place)
