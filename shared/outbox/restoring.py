"""Restores: whether the log and the database still tell one history, and taking over what the log has more of.

A database that was restored from an older copy finds the log *ahead* of it; a log that was restored, or made anew, is
*behind* the database. Facts are compared by position, contact cards by version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from shared.bus import EventBus, Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import registry
from shared.outbox import wire
from shared.outbox.tails import MOST, Tail, widened
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
_HELD = "DELETE FROM outbox WHERE id = ANY($1::uuid[]) AND type <> $2"
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

log = structlog.get_logger(__name__)


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
        return await widened(bus, partition, tail, lambda seen: seen.position >= wanted, most=MOST)

    return {partition: await look_back(partition, tail) for partition, tail in found.items()}


async def beyond(bus: EventBus, partition: TopicPartition, tail: Tail, after: int, *, cards: bool) -> list[Record]:
    """Return what the log holds after a position, or the cards above a version."""

    def reaches(seen: Tail) -> bool:
        if cards:
            return any(wire.is_card(record) and wire.version_of(record) <= after for record in seen.records)
        positions = {wire.position_of(record) for record in seen.records}
        return all(position in positions for position in range(after + 1, seen.position + 1))

    tail = await widened(bus, partition, tail, reaches)
    if cards:
        return [each for each in tail.records if wire.is_card(each) and wire.version_of(each) > after]
    by_position = {wire.position_of(each): each for each in tail.records if wire.position_of(each) > after}
    return [by_position[position] for position in sorted(by_position)]


@dataclass(slots=True)
class Found:
    """What the log holds beyond the database, and where each partition of it ends."""

    records: list[Record] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """Return the highest version on the log that the database may give again."""
        return max(map(wire.version_of, self.records), default=0)


async def read_on(bus: EventBus, standings: Standings, tails: Tails, contacts: Collection[str]) -> Found:
    """Read every partition on from what the database knows to be on the log."""
    found = Found()
    for partition, tail in tails.items():
        standing, cards = standings.get(partition, Standing()), partition.topic in contacts
        after = standing.given if cards else standing.acknowledged
        found.records += await beyond(bus, partition, tail, after, cards=cards)
        if tail.end:
            found.ends[partition] = max(after, tail.version if cards else tail.position)
    return found


async def take_over(connection: asyncpg.Connection, found: Found) -> int:
    """Bring the database to where the log is, in one transaction; return how many events it does not know.

    Nobody writes to the outbox meanwhile. The stored batch is dissolved; facts that are on the log leave the outbox;
    what remains gets positions and versions above all that was ever sent. Cards stay: what they say now is to be sent.
    """
    await connection.execute(_STILL)
    await connection.execute(_DISSOLVE)
    ids = [wire.id_of(record) for record in found.records]
    known = {row["id"] for row in await connection.fetch(_KNOWN, ids)}
    await connection.execute(_HELD, ids, CARD_TYPE)
    lost = [record for record in found.records if wire.id_of(record) not in known and not wire.is_gap(record)]
    await connection.execute(_LOST, *_columns(lost), utcnow())
    partitions = list(found.ends)
    await connection.execute(
        _TAKE_POSITIONS, [each.topic for each in partitions], [each.partition for each in partitions],
        [found.ends[each] for each in partitions],
    )  # fmt: skip
    if found.version:
        await connection.fetchval(_RAISE_SEQUENCE, found.version)
        await connection.execute(_NUMBER_ANEW, found.version)
    log.error("database_restored", lost_events=len(lost), log_version=found.version)
    return len(lost)


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
