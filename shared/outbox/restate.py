"""Restating: after a restore, what a service's database holds is published for the keys whose events it has lost.

Each fact that the database does not know is withdrawn, so that copies and figures drop what they keep of it; then what
is so now is said again for what the lost facts spoke of, and cards are sent again. Nobody gets a message because of it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from shared import outbox
from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Event, Withdrawal, registry
from shared.db import driver
from shared.errors import Conflict
from shared.ids import new_id, plain
from shared.outbox import restoring, wire
from shared.outbox.alignment import LogAhead
from shared.outbox.tails import read_tails
from shared.outbox.writing import CARD_TYPE, RESTATED, Cause, caused_by
from shared.service import Runtime

AT_ONCE = 500
PROGRESS_S = 1.0

_LOST = """
FROM lost_events
WHERE restated_at IS NULL AND remade_at IS NULL AND topic = ANY($1::text[])
    AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = lost_events.event_id)
"""
_COUNT = f"""
SELECT type, topic, partition, min(position) AS position, count(*) AS count {_LOST} GROUP BY type, topic, partition
"""
_TAKE = f"""
SELECT event_id, topic, key, subject, type {_LOST} AND event_id > $2
ORDER BY event_id LIMIT $3 FOR UPDATE OF lost_events
"""
_DONE = "UPDATE lost_events SET restated_at = $2 WHERE event_id = ANY($1::uuid[])"
_CATCHING_UP = """
SELECT topic, partition FROM inbox WHERE consumer = $1 AND restored_until > 0
    AND (next_offset < restored_until OR EXISTS (
        SELECT FROM parked
        WHERE (parked.consumer, parked.topic, parked.partition) = (inbox.consumer, inbox.topic, inbox.partition)
            AND state = 'parked' AND "offset" < restored_until
    ))
ORDER BY topic, partition LIMIT 1
"""

Progress = Callable[[str], None]


class StillCatchingUp(Conflict):
    """Handlers may yet make again what is lost: only then is it known what the database does not know."""

    code = "still_catching_up"

    def __init__(self, service: str, partition: TopicPartition) -> None:
        super().__init__(
            f"{service} still handles what it had handled before the restore, of {partition}; ask later. "
            f"`peyvand dlq list {service}` shows what is parked of it."
        )


async def restate(runtime: Runtime, *, dry_run: bool = False, progress: Progress = lambda _line: None) -> Counter[str]:
    """Publish what the database holds for keys with lost events; return how many facts are withdrawn, by type.

    Each batch is one transaction that also notes the lost events as restated, so it can be broken off and asked for
    again. Raises `StillCatchingUp`, and `LogAhead` where it is not yet known what is lost.
    """
    tails = await _tails(runtime)
    counts = await _lost_facts(runtime)
    found: Counter[str] = Counter()
    for row in counts:
        found[row["type"]] += row["count"] if _is_withdrawn(row) else 0
    if dry_run:
        return +found
    bodies = await _bodies(runtime, counts, tails)
    done: Counter[str] = Counter()
    last, told_at = UUID(int=0), time.monotonic()
    while True:
        async with runtime.db.transaction() as tx:
            tx.info["runtime"] = runtime
            rows = await driver(tx).fetch(_TAKE, _topics(runtime), last, AT_ONCE)
            done.update(await _restate(tx, runtime, rows, bodies))
        if not rows:
            return done
        last = rows[-1]["event_id"]
        if time.monotonic() - told_at >= PROGRESS_S:
            progress(f"{runtime.service.name}: {done.total():,} of {found.total():,} lost facts are withdrawn")
            told_at = time.monotonic()


async def _restate(
    tx: AsyncSession, runtime: Runtime, rows: Sequence[asyncpg.Record], bodies: Mapping[UUID, Record]
) -> Counter[str]:
    """Withdraw what is lost, then say what is so: a key's last fact is what its rows say."""
    withdrawn = [row for row in rows if _is_withdrawn(row)]
    with caused_by(Cause(event_id=RESTATED, handler=f"restate:{new_id()}")):
        outbox.add(tx, *(_withdrawal(row, bodies.get(plain(row["event_id"]))) for row in withdrawn))
        spoken_of = {plain(row[column]) for row in withdrawn for column in ("key", "subject")}
        for restater in runtime.service.restaters:
            outbox.add(tx, *await restater(tx, spoken_of))
    for topic, keys in _cards(rows).items():
        outbox.add_card(tx, topic, *keys)
    await driver(tx).execute(_DONE, [row["event_id"] for row in rows], utcnow())
    return Counter(row["type"] for row in withdrawn)


def _withdrawal(row: asyncpg.Record, record: Record | None) -> Withdrawal:
    return _withdrawals()[row["topic"]](
        occurred_at=utcnow(),
        event_id=plain(row["event_id"]),
        event_type=row["type"],
        owner_id=plain(row["key"]),
        subject_id=plain(row["subject"]),
        part_id=_part_of(record),
    )


def _part_of(record: Record | None) -> UUID | None:
    """Return the id of what a lost fact recorded within its subject."""
    contract = registry.get(wire.type_of(record)) if record is not None else None
    if record is None or contract is None or contract.part_field is None:
        return None
    part: UUID | None = getattr(wire.received(record, contract).event, contract.part_field)
    return part


def _is_withdrawn(row: asyncpg.Record) -> bool:
    """Tell facts from cards; a withdrawal that is itself lost has nothing to withdraw."""
    contract: type[Event] | None = registry.get(row["type"])
    return row["type"] != CARD_TYPE and (contract is None or not issubclass(contract, Withdrawal))


def _cards(rows: Sequence[asyncpg.Record]) -> dict[str, list[UUID]]:
    keys: defaultdict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        if row["type"] == CARD_TYPE:
            keys[row["topic"]].append(plain(row["key"]))
    return keys


async def _tails(runtime: Runtime) -> restoring.Tails:
    """Return the ends of the service's log; refuse while it is not yet known what the database does not know."""
    tails = await read_tails(runtime.bus, _topics(runtime))
    name = runtime.service.consumer.service
    async with runtime.db.connection() as connection:
        standings = await restoring.read_standings(connection, runtime.service)
        row = await connection.fetchrow(_CATCHING_UP, name)
    if restoring.ahead_of(standings, tails, runtime.service.card_readers):
        raise LogAhead(runtime.service.name)
    if row is not None:
        raise StillCatchingUp(name, TopicPartition(*row))
    return tails


async def _lost_facts(runtime: Runtime) -> list[asyncpg.Record]:
    """Return how many events are lost of each type, by partition, and where the first of them is."""
    async with runtime.db.connection() as connection:
        return list(await connection.fetch(_COUNT, _topics(runtime)))


async def _bodies(runtime: Runtime, counts: Sequence[asyncpg.Record], tails: restoring.Tails) -> dict[UUID, Record]:
    """Read the lost facts that are withdrawn with a part, which only their bodies name."""
    first: dict[TopicPartition, int] = {}
    for row in counts:
        contract = registry.get(row["type"])
        if contract is not None and contract.part_field is not None:
            place = TopicPartition(row["topic"], row["partition"])
            first[place] = min(row["position"], first.get(place, row["position"]))
    found: dict[UUID, Record] = {}
    for place, position in first.items():
        records = await restoring.beyond(runtime.bus, place, tails[place], position - 1, cards=False)
        found.update({wire.id_of(record): record for record in records if _has_part(record)})
    return found


def _has_part(record: Record) -> bool:
    contract = registry.get(wire.type_of(record))
    return contract is not None and contract.part_field is not None


def _topics(runtime: Runtime) -> list[str]:
    facts, contacts = restoring.published_topics(runtime.service)
    return [*facts, *contacts]


def _withdrawals() -> dict[str, type[Withdrawal]]:
    """Return, by topic, the type that withdraws facts of it."""
    return {event.topic: event for event in registry.values() if issubclass(event, Withdrawal)}
