"""Restating: after a restore, what a service's database holds is published for the keys whose events it has lost.

Each fact that the database does not know is withdrawn, so that copies and figures drop what they keep of it; then what
is so now is said again for what the lost facts spoke of, and cards are sent again. Nobody gets a message because of it.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from shared import outbox
from shared.bus import EventBus, Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Event, Withdrawal, registry
from shared.db import driver
from shared.errors import Conflict
from shared.ids import new_id, plain
from shared.outbox import restoring, wire
from shared.outbox.alignment import LogAhead
from shared.outbox.history import facts_after
from shared.outbox.tails import read_tails
from shared.outbox.writing import CARD_TYPE, RESTATED, Cause, caused_by
from shared.service import Runtime

AT_ONCE = 500
PROGRESS_S = 1.0

_LEFT = "FROM lost_events WHERE restated_at IS NULL AND remade_at IS NULL AND topic = ANY($1::text[])"
_LOST = f"{_LEFT} AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = lost_events.event_id)"
_COUNT = f"""
SELECT type, topic, partition, min(position) AS position, count(*) AS count {_LOST} GROUP BY type, topic, partition
"""
_NEXT = f"""
SELECT event_id, position {_LEFT} AND partition = $2 AND (position, event_id) > ($3, $4)
ORDER BY position, event_id LIMIT $5
"""
_TAKE = f"""
SELECT event_id, topic, key, subject, type {_LEFT} AND event_id = ANY($2::uuid[]) ORDER BY position, event_id FOR UPDATE
"""
_NEWEST = "SELECT seq FROM outbox ORDER BY seq DESC LIMIT 1"
_MADE_AGAIN = """
UPDATE lost_events SET remade_at = $2
WHERE event_id IN (SELECT id FROM outbox WHERE seq > $3)
    AND restated_at IS NULL AND remade_at IS NULL AND topic = ANY($1::text[])
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
    done: Counter[str] = Counter()
    told_at = time.monotonic()
    made_again = MadeAgain(runtime)
    for place in sorted({TopicPartition(row["topic"], row["partition"]) for row in counts}):
        parts = _Parts(runtime.bus, place, tails, _first_with_a_part(counts, place))
        async for some in _restate_all(runtime, place, parts, made_again):
            done.update(some)
            if time.monotonic() - told_at >= PROGRESS_S:
                progress(f"{runtime.service.name}: {done.total():,} of {found.total():,} lost facts are withdrawn")
                told_at = time.monotonic()
    return done


async def _restate_all(
    runtime: Runtime, place: TopicPartition, parts: _Parts, made_again: MadeAgain
) -> AsyncIterator[Counter[str]]:
    """Restate what is lost of a partition, in the order of its log; yield what is withdrawn with each transaction."""
    last = -1, UUID(int=0)
    while True:
        async with runtime.db.connection() as connection:
            rows = await connection.fetch(_NEXT, [place.topic], place.partition, *last, AT_ONCE)
        if not rows:
            return
        last = rows[-1]["position"], rows[-1]["event_id"]
        await parts.read(rows[0]["position"], last[0])
        await made_again.note()
        async with runtime.db.transaction() as tx:
            tx.info["runtime"] = runtime
            taken = await driver(tx).fetch(_TAKE, [place.topic], [row["event_id"] for row in rows])
            withdrawn = await _restate(tx, runtime, taken, parts)
        yield withdrawn


async def _restate(tx: AsyncSession, runtime: Runtime, rows: Sequence[asyncpg.Record], parts: _Parts) -> Counter[str]:
    """Withdraw what is lost, then say what is so: a key's last fact is what its rows say."""
    withdrawn = [row for row in rows if _is_withdrawn(row)]
    with caused_by(Cause(event_id=RESTATED, handler=f"restate:{new_id()}")):
        outbox.add(tx, *(_withdrawal(row, parts.of(plain(row["event_id"]))) for row in withdrawn))
        spoken_of = {plain(row[column]) for row in withdrawn for column in ("key", "subject")}
        for restater in runtime.service.restaters:
            outbox.add(tx, *await restater(tx, spoken_of))
    for topic, keys in _cards(rows).items():
        outbox.add_card(tx, topic, *keys)
    await driver(tx).execute(_DONE, [row["event_id"] for row in rows], utcnow())
    return Counter(row["type"] for row in withdrawn)


def _withdrawal(row: asyncpg.Record, part_id: UUID | None) -> Withdrawal:
    return _withdrawals()[row["topic"]](
        occurred_at=utcnow(),
        event_id=plain(row["event_id"]),
        event_type=row["type"],
        owner_id=plain(row["key"]),
        subject_id=plain(row["subject"]),
        part_id=part_id,
    )


class MadeAgain:
    """Lost events that a handler or a clock has made again meanwhile, and that the relay has not met yet.

    What is restated waits in the outbox as well, ever more of it: no more is looked at than came lately. That begins
    before the last batch but one, as what is committed after another may have the lower number.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._seen = self._seen_before = 0

    async def note(self) -> None:
        """Note them as made, so that they are not withdrawn."""
        async with self._runtime.db.connection() as connection:
            newest = await connection.fetchval(_NEWEST)
            await connection.execute(_MADE_AGAIN, _topics(self._runtime), utcnow(), self._seen_before)
        self._seen, self._seen_before = newest or self._seen, self._seen


class _Parts:
    """What the lost facts of a partition recorded within their subjects: only their bodies, on the log, say it.

    The log is read alongside, from the `first` that has a part, and no more of it is kept than is asked for next.
    """

    def __init__(self, bus: EventBus, place: TopicPartition, tails: restoring.Tails, first: int | None) -> None:
        self._pages = aiter(facts_after(bus, place, tails[place], first - 1)) if first is not None else None
        self._read_to = 0
        self._found: dict[UUID, tuple[int, UUID]] = {}

    def of(self, event_id: UUID) -> UUID | None:
        """Return the id of what a fact recorded."""
        return self._found[event_id][1] if event_id in self._found else None

    async def read(self, first: int, last: int) -> None:
        """Have the parts at hand of the facts from one position to another, beyond what was read before."""
        self._found = {event_id: found for event_id, found in self._found.items() if found[0] >= first}
        while self._pages is not None and self._read_to < last:
            records: Sequence[Record] = await anext(self._pages, ())
            if not records:
                self._pages = None
                return
            self._read_to = wire.position_of(records[-1])
            for record in records:
                if wire.position_of(record) >= first and (part := _part_of(record)) is not None:
                    self._found[wire.id_of(record)] = wire.position_of(record), part


def _part_of(record: Record) -> UUID | None:
    contract = registry.get(wire.type_of(record))
    if contract is None or contract.part_field is None:
        return None
    part: UUID | None = getattr(wire.received(record, contract).event, contract.part_field)
    return part


def _first_with_a_part(counts: Sequence[asyncpg.Record], place: TopicPartition) -> int | None:
    """Return the first position of a partition's lost facts that have a part; None where none has."""
    return min(
        (
            row["position"]
            for row in counts
            if (row["topic"], row["partition"]) == place
            and (contract := registry.get(row["type"])) is not None
            and contract.part_field is not None
        ),
        default=None,
    )


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


def _topics(runtime: Runtime) -> list[str]:
    facts, contacts = restoring.published_topics(runtime.service)
    return [*facts, *contacts]


def _withdrawals() -> dict[str, type[Withdrawal]]:
    """Return, by topic, the type that withdraws facts of it."""
    return {event.topic: event for event in registry.values() if issubclass(event, Withdrawal)}
