"""Restores: whether the log and the database still tell one history, and taking over what the log has more of.

A database that was restored from an older copy finds the log *ahead* of it; a log that was restored, or made anew, is
*behind* the database. Facts are compared by position, contact cards by version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.bus import EventBus, Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import registry
from shared.outbox import wire
from shared.outbox.history import cards_above, facts_after
from shared.outbox.tails import Tail, widened
from shared.outbox.writing import CARD_TYPE
from shared.service import Service

_GIVEN = "SELECT topic, partition, position FROM relay_positions WHERE topic = ANY($1::text[])"
_STORED = """
SELECT o.topic, b.partition, b.position, o.id
FROM relay_batch r CROSS JOIN LATERAL unnest(r.seqs, r.partitions, r.positions) AS b(seq, partition, position)
JOIN outbox o ON o.seq = b.seq
"""
_CARDS = "SELECT topic, max(version) AS version FROM relay_cards WHERE topic = ANY($1::text[]) GROUP BY topic"

_STILL = "LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"
_DISSOLVE = "DELETE FROM relay_batch"
_KNOWN = "SELECT id FROM outbox WHERE id = ANY($1::uuid[])"
_HELD = """
DELETE FROM outbox WHERE id = ANY($1::uuid[]) AND type <> $2
    AND NOT EXISTS (SELECT FROM lost_events WHERE lost_events.event_id = outbox.id)
"""
_LOST = """
INSERT INTO lost_events (event_id, topic, partition, position, version, key, subject, type, recorded_at, found_at)
SELECT *, $10 FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::uuid[], $7::uuid[],
    $8::text[], $9::timestamptz[])
ON CONFLICT DO NOTHING
"""
_TAKE_POSITIONS = """
INSERT INTO relay_positions SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET position = excluded.position
"""
_RAISE_SEQUENCE = """
SELECT setval(pg_get_serial_sequence('outbox', 'seq'),
    greatest($1, nextval(pg_get_serial_sequence('outbox', 'seq'))))
"""
_ROW = "id, topic, type, key, subject, body, occurred_at, recorded_at, correlation_id, causation_id, traceparent"
_NUMBER_ANEW = f"""
WITH low AS (DELETE FROM outbox WHERE seq <= $1 RETURNING seq, {_ROW})
INSERT INTO outbox ({_ROW}) SELECT {_ROW} FROM low ORDER BY seq
"""


@dataclass(slots=True)
class Standing:
    """What the database says of a partition: the highest position that it gave, and that was acknowledged.

    Between the two lies the stored batch, by position. On contact topics it is the highest version instead, and it is
    `unsure` whether any was acknowledged while some are in the stored batch.
    """

    given: int = 0
    stored: dict[int, UUID] = field(default_factory=dict)
    unsure: bool = False

    @property
    def acknowledged(self) -> int:
        """Return the last position that is on the log for certain."""
        return min(self.stored) - 1 if self.stored else self.given


Standings = Mapping[TopicPartition, Standing]
Tails = Mapping[TopicPartition, Tail]


def published_topics(service: Service) -> tuple[list[str], list[str]]:
    """Return the topics of facts that a service publishes, and its contact topics."""
    facts = {event.topic for event in registry.values() if event.topic.startswith(f"{service.name}.")}
    return sorted(facts), sorted(service.card_readers)


async def read_standings(connection: asyncpg.Connection, service: Service) -> dict[TopicPartition, Standing]:
    """Return what the database says of the partitions that it has published to."""
    facts, contacts = published_topics(service)
    standings: defaultdict[TopicPartition, Standing] = defaultdict(Standing)
    for topic, partition, position in await connection.fetch(_GIVEN, [*facts, *contacts]):
        standings[TopicPartition(topic, partition)].given = position
    for topic, partition, position, event_id in await connection.fetch(_STORED):
        standing = standings[TopicPartition(topic, partition)]
        if position:
            standing.stored[position] = event_id
        else:
            standing.unsure = True
    return dict(standings)


async def newest_cards(connection: asyncpg.Connection, service: Service) -> dict[str, int]:
    """Return the highest version that was sent on each contact topic."""
    rows = await connection.fetch(_CARDS, published_topics(service)[1])
    return {row["topic"]: row["version"] for row in rows}


def ahead_of(standings: Standings, tails: Tails, contacts: Collection[str]) -> list[TopicPartition]:
    """Return the partitions whose log holds what the database did not publish."""
    return sorted(
        partition
        for partition, tail in tails.items()
        if _is_ahead(standings.get(partition, Standing()), tail, cards=partition.topic in contacts)
    )


def _is_ahead(standing: Standing, tail: Tail, *, cards: bool) -> bool:
    if cards:
        return tail.version > standing.given
    if tail.position > standing.given:
        return True
    seen = {wire.position_of(record): wire.id_of(record) for record in tail.records}
    return any(seen.get(position, event_id) != event_id for position, event_id in standing.stored.items())


def behind(standings: Standings, tails: Tails, contacts: Collection[str]) -> dict[TopicPartition, Tail]:
    """Return the partitions whose log lacks what was acknowledged, with what there is of them.

    A contact partition is behind where it never held a record: compaction may have removed any single one.
    """
    present = {partition: tails.get(partition, Tail()) for partition in sorted(standings)}
    return {
        partition: tail
        for partition, tail in present.items()
        if _is_behind(standings[partition], tail, cards=partition.topic in contacts)
    }


def _is_behind(standing: Standing, tail: Tail, *, cards: bool) -> bool:
    if cards:
        return standing.given > 0 and tail.end == 0 and not standing.unsure
    return tail.position < standing.acknowledged


async def surely_behind(bus: EventBus, standings: Standings, found: Mapping[TopicPartition, Tail]) -> Tails:
    """Look further back before saying so: late doubles of old records may fill the end of a partition."""

    async def look_back(partition: TopicPartition, tail: Tail) -> Tail:
        wanted = standings[partition].acknowledged
        return await widened(bus, partition, tail, lambda seen: seen.position >= wanted)

    return {partition: await look_back(partition, tail) for partition, tail in found.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """Some records that the log holds beyond the database, and where the partition stands once they are taken over.

    `reached` is a position, of cards a version; None while more of it has to come first. `before` are the facts of the
    steps that did not reach any. The `last` step is the one after which the database is where the log is.
    """

    partition: TopicPartition
    records: Sequence[Record] = ()
    reached: int | None = None
    before: Sequence[UUID] = ()
    last: bool = False


async def steps(bus: EventBus, standings: Standings, tails: Tails, contacts: Collection[str]) -> AsyncGenerator[Step]:
    """Read on every partition from what the database knows to be on the log, in steps that can be taken one by one.

    A partition's end is reached in a step of its own: until the last of them the log looks ahead, so whoever is broken
    off, or another relay, goes on. Facts go on where they were; of cards, which have no order, a partition begins anew.
    """
    left = [each for each in sorted(tails) if _after(standings, each, contacts) < _end(tails[each], each, contacts)]
    for partition in left:
        cards, tail = partition.topic in contacts, tails[partition]
        after, end = _after(standings, partition, contacts), _end(tail, partition, contacts)
        read_on = cards_above if cards else facts_after
        before: list[UUID] = []
        async for records in read_on(bus, partition, tail, after):
            reached = max(wire.version_of(each) if cards else wire.position_of(each) for each in records)
            yield Step(partition, records, None if cards or reached >= end else reached)
            if not cards and reached >= end:
                before += map(wire.id_of, records)
            end = max(end, reached)
        yield Step(partition, reached=end, before=before, last=partition == left[-1])


def _after(standings: Standings, partition: TopicPartition, contacts: Collection[str]) -> int:
    standing = standings.get(partition, Standing())
    return standing.given if partition.topic in contacts else standing.acknowledged


def _end(tail: Tail, partition: TopicPartition, contacts: Collection[str]) -> int:
    return tail.version if partition.topic in contacts else tail.position


async def dissolve(connection: asyncpg.Connection, standings: Standings, tails: Tails) -> None:
    """Give up the stored batch: what it had been given, the log may hold as another's, or not at all."""
    back = {each: standing.acknowledged for each, standing in standings.items() if standing.stored}
    never = {each: 0 for each, standing in standings.items() if standing.unsure and not tails.get(each, Tail()).end}
    await connection.execute(_DISSOLVE)
    await _stand_at(connection, back | never)


async def take_over(connection: asyncpg.Connection, step: Step) -> int:
    """Bring the database a step closer to where the log is; return how many events of it the database does not know.

    Facts that are on the log leave the outbox once they are not read again: till then it shows that they are known.
    What was lost and made again meanwhile is left to the relay, which notes it. Cards stay: what they say now is to be
    sent. With the last step, while nobody writes to it, what is left in the outbox gets versions above all that was
    ever sent.
    """
    if step.last:
        await connection.execute(_STILL)
    ids = [wire.id_of(record) for record in step.records]
    known = {row["id"] for row in await connection.fetch(_KNOWN, ids)}
    lost = [record for record in step.records if wire.id_of(record) not in known and not wire.is_gap(record)]
    if lost:
        await connection.execute(_LOST, *_columns(lost), utcnow())
    if step.reached is not None:
        await connection.execute(_HELD, [*step.before, *ids], CARD_TYPE)
        await _stand_at(connection, {step.partition: step.reached})
    highest = await connection.fetchval(_RAISE_SEQUENCE, max(map(wire.version_of, step.records), default=0))
    if step.last:
        await connection.execute(_NUMBER_ANEW, highest)
    return len(lost)


async def _stand_at(connection: asyncpg.Connection, positions: Mapping[TopicPartition, int]) -> None:
    topics, partitions = [each.topic for each in positions], [each.partition for each in positions]
    await connection.execute(_TAKE_POSITIONS, topics, partitions, list(positions.values()))


def _columns(records: Sequence[Record]) -> Iterator[list[object]]:
    yield [wire.id_of(record) for record in records]
    yield [record.topic for record in records]
    yield [record.partition for record in records]
    yield [wire.position_of(record) for record in records]
    yield [wire.version_of(record) for record in records]
    yield [record.key for record in records]
    yield [UUID(record.headers["ce_subject"]) for record in records]
    yield [wire.type_of(record) for record in records]
    yield [datetime.fromisoformat(record.headers["recorded_at"]) for record in records]
