"""Where a consumer reads on when the log under it was restored from an older copy, or made anew.

Its offset then means another record, or none. On topics of facts the position says which record comes next; contact
topics are read again from their beginning, as versions make that harmless.
"""

from __future__ import annotations

import structlog

from shared.bus import BusUnavailable, Subscription, TopicPartition
from shared.db import driver
from shared.outbox import wire
from shared.outbox.tails import Tail, facts_about, read_tails
from shared.service import Runtime

_ROW = "SELECT next_offset, position FROM inbox WHERE consumer = $1 AND topic = $2 AND partition = $3"
_PLACE = """
UPDATE inbox SET next_offset = $5, position = $6, restored_until = 0, stopped = NULL, attempts = 0, careful_until = 0
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 RETURNING true
"""
_SET_BACK = """
WITH lowest AS (
    SELECT least(min("offset"), 0) AS "offset" FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3
)
UPDATE parked SET "offset" = parked."offset" - $5 + lowest."offset" FROM lowest
WHERE consumer = $1 AND topic = $2 AND partition = $3 AND key IN (
    SELECT key FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" >= $4
)
"""

log = structlog.get_logger(__name__)


async def replace(runtime: Runtime, subscription: Subscription, partition: TopicPartition) -> int | None:
    """Move a consumer's row to where the log goes on, and return that offset; None where nothing was declared.

    What is parked with offsets that now mean other records gets negative ones, below all that were set back before, and
    its keys' order is kept. The new offset is committed before the row is moved, so that the row is not taken for one
    of a restored database.
    """
    name = runtime.service.consumer.service
    async with runtime.db.connection() as connection:
        row = await connection.fetchrow(_ROW, name, *partition)
    tail = (await read_tails(runtime.bus, [partition.topic])).get(partition)
    if row is None or tail is None:
        return None
    place: int | None
    if runtime.service.consumer.hears_cards(partition.topic):
        place, position = tail.first, max(map(wire.cards_epoch_of, tail.records), default=0)
        declared = position > max(row["position"], 0)
    else:
        place, position = await _place_of(runtime, partition, tail, row["position"]), row["position"]
        declared = place not in {None, row["next_offset"]}
    if not declared or place is None:
        return None
    await _commit(runtime, subscription, partition, place)
    async with runtime.db.transaction() as tx:
        raw = driver(tx)
        if await raw.fetchval(_PLACE, name, *partition, row["next_offset"], place, position):
            await raw.execute(_SET_BACK, name, *partition, place, max(row["next_offset"], tail.end))
    log.warning("consumer_placed_anew", consumer=name, partition=str(partition), was=row["next_offset"], now=place)
    return place


async def _commit(runtime: Runtime, subscription: Subscription, partition: TopicPartition, place: int) -> None:
    """Commit an offset for certain: elsewhere a commit that fails is no fault, here it would cost people a message."""
    await subscription.commit({partition: place})
    if (await runtime.bus.committed(runtime.service.consumer.service)).get(partition, place) > place:
        raise BusUnavailable(f"The bus still believes {partition} to be read beyond offset {place}; it is told again.")


async def _place_of(runtime: Runtime, partition: TopicPartition, tail: Tail, position: int) -> int | None:
    """Return the offset of the first record after a position; None where no gap record leads over that position."""
    is_led_over = False
    async for records in facts_about(runtime.bus, partition, tail, position):
        for record in records:
            after = wire.position_of(record)
            is_led_over = is_led_over or (wire.is_gap(record) and wire.missing_from(record) - 1 <= position <= after)
            if after > position:
                return record.offset if is_led_over else None
    return tail.end if is_led_over else None
