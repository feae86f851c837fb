"""One batch of one partition: effects, parked events, offset and position in one transaction.

The inbox row is locked and compared first: a worker that has lost the partition finds that the row moved, and drops
its batch. An attempt is counted before the batch is tried, in a transaction of its own, so that events that kill the
process are found.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.db import driver, part_of
from shared.outbox import wire
from shared.outbox.consumer import Kind
from shared.outbox.faults import is_events_fault
from shared.outbox.handling import ALL_KINDS, apply_batch, wanted
from shared.outbox.parking import Parking, open_parking, park, wait_behind
from shared.service import Runtime

DEATHS = 3
"""After how many deaths over a batch its events are tried one at a time."""

_ATTEMPT = """
UPDATE inbox SET attempts = CASE WHEN $4 THEN 1 ELSE attempts + 1 END
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS fast
WHERE consumer = $1 AND topic = $2 AND partition = $3
RETURNING next_offset, attempts, careful_until, restored_until
"""
_CAREFUL = """
UPDATE inbox SET careful_until = $4, attempts = 1 WHERE consumer = $1 AND topic = $2 AND partition = $3
"""
_LOCK = """
SELECT next_offset, position FROM inbox WHERE consumer = $1 AND topic = $2 AND partition = $3 FOR UPDATE
"""
_MOVE = """
UPDATE inbox SET next_offset = $4, position = $5, attempts = 0, stopped = NULL, moved_at = $6
WHERE consumer = $1 AND topic = $2 AND partition = $3
"""
_STOP = "UPDATE inbox SET stopped = $4, attempts = 0 WHERE consumer = $1 AND topic = $2 AND partition = $3"


def leave_behind(parking: Parking, record: Record, error: Exception) -> None:
    """Park a record: until code knows it, or, with its error, as one that failed."""
    if isinstance(error, wire.NotKnownYet):
        parking.wait(record, error)
    else:
        parking.fail(record, error)


class Moved(Exception):
    """Another worker handled this partition meanwhile; read on from `next_offset`."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"The inbox row stands at {next_offset}.")
        self.next_offset = next_offset


class Gap(Exception):
    """Positions are missing from a log of facts: events were lost."""


class CardsAnew(Exception):
    """All cards of a topic were sent anew, as its log was restored: it is to be read from its beginning."""

    def __init__(self) -> None:
        super().__init__("All cards were sent anew, and the log does not yet say where it begins.")


@dataclass(slots=True)
class Fresh:
    """What of a batch is new: `records`, the `position` after them, and the sentence on a gap behind them, if any."""

    records: list[Record]
    position: int
    gap: str | None = None


def fresh(records: Sequence[Record], position: int) -> Fresh:
    """Drop positions already passed and stop before a gap; `position` below 0 accepts any first one.

    Records without a position (contact cards, ticks) are all kept: there, versions decide. A record that stands for
    positions that the log has lost leads over them.
    """
    kept = []
    for record in records:
        at = wire.position_of(record)
        if at == 0:
            kept.append(record)
        elif position < 0 or at == position + 1 or (at > position and wire.missing_from(record) <= position + 1):
            kept.append(record)
            position = at
        elif at > position + 1:
            return Fresh(kept, position, f"Positions {position + 1} to {at - 1} are missing before {record.offset}.")
    return Fresh(kept, position)


def cards_anew(records: Sequence[Record], position: int) -> bool:
    """Tell whether all cards were sent since the last such time, which of contact topics is kept as the position."""
    return max(map(wire.cards_epoch_of, records)) > max(position, 0)


async def apply_partition(
    runtime: Runtime, partition: TopicPartition, records: Sequence[Record], *, expected: int, retry: bool = False
) -> int:
    """Handle the first records of a batch, all unless caution is needed; return how many.

    `expected` is the offset that this worker believes to be next, `retry` says that its last attempt ended in an
    error and not in death. Raises `Moved`, `Gap`, `CodeAtFault`, or the database's errors: then nothing is stored
    of the batch (before a gap: what came before it).
    """
    name = runtime.service.consumer.service
    async with runtime.db.connection() as connection:
        row = await connection.fetchrow(_ATTEMPT, name, *partition, retry)
        if row is None or row["next_offset"] != expected:
            raise Moved(row["next_offset"] if row else 0)
        attempts, careful_until = row["attempts"], row["careful_until"]
        if attempts > DEATHS and records[0].offset >= careful_until:
            attempts, careful_until = 1, records[-1].offset + 1
            await connection.execute(_CAREFUL, name, *partition, careful_until)
    careful = records[0].offset < careful_until
    restored = records[0].offset < row["restored_until"]
    if restored:
        records = [record for record in records if record.offset < row["restored_until"]]
    mine = records[:1] if careful else records
    batch = Batch(runtime, partition, mine, deadly=careful and attempts > 1, restored=restored)
    await batch.store(expected)
    return len(batch.records)


async def stop_partition(runtime: Runtime, partition: TopicPartition, reason: str) -> None:
    """Record why a partition stands still; readiness is red until it moves."""
    async with runtime.db.connection() as connection:
        await connection.execute(_STOP, runtime.service.consumer.service, *partition, reason)


class Batch:
    """Records of one partition on their way through the handlers."""

    def __init__(
        self,
        runtime: Runtime,
        partition: TopicPartition,
        records: Sequence[Record],
        *,
        deadly: bool = False,
        restored: bool = False,
    ) -> None:
        self.runtime, self.partition, self.records = runtime, partition, records
        self.consumer = runtime.service.consumer
        self.deadly, self.restored = deadly, restored

    async def store(self, expected: int) -> None:
        """Apply the records and move the inbox row, in one transaction."""
        async with self.runtime.db.transaction() as tx:
            gap = await self._store(tx, expected)
        if gap:
            raise Gap(gap)

    async def _store(self, tx: AsyncSession, expected: int) -> str | None:
        raw, place = driver(tx), (self.consumer.service, *self.partition)
        row = await raw.fetchrow(_LOCK, *place)
        if row is None or row["next_offset"] != expected:
            raise Moved(row["next_offset"] if row else 0)
        if self.consumer.hears_cards(self.partition.topic) and cards_anew(self.records, row["position"]):
            raise CardsAnew
        new = fresh(self.records, row["position"])
        parking = await open_parking(raw, place[0], self.partition, self.records)
        mine = wanted(self.consumer, new.records)
        if self.deadly and mine:
            parking.fail(mine[0], "It ended the process, or hung it, when it was tried alone.")
        else:
            await self.apply(tx, mine, parking)
        await park(raw, place[0], self.partition, parking)
        await wait_behind(raw, place[0], self.partition, parking)
        if new.gap is None:
            await raw.execute(_MOVE, *place, self.records[-1].offset + 1, new.position, utcnow())
        elif new.records:
            await raw.execute(_MOVE, *place, new.records[-1].offset + 1, new.position, utcnow())
        return new.gap

    async def apply(
        self,
        tx: AsyncSession,
        records: Sequence[Record],
        parking: Parking,
        kinds: Collection[Kind] = ALL_KINDS,
    ) -> None:
        """Handle `records` in savepoints, halving on the events' faults until the one at fault is parked alone."""
        records = parking.leave_out(records)
        if not records:
            return
        try:
            async with part_of(tx) as part:
                await apply_batch(part, self.runtime, records, kinds, restored=self.restored)
        except Exception as error:
            if not is_events_fault(error):
                raise
            if len(records) == 1:
                leave_behind(parking, records[0], error)
                return
        else:
            return
        middle = len(records) // 2
        await self.apply(tx, records[:middle], parking, kinds)
        await self.apply(tx, records[middle:], parking, kinds)
