"""Contact topics in order: the daily audit against the database, and the hourly tick that makes quiet partitions roll.

Compaction keeps whatever came last for a key, which may be a late double of an older card; so what the log holds
last is compared with the database, and sent again where it differs.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from shared.bus import TopicPartition
from shared.bus.partitions import partition_of
from shared.db import driver
from shared.ids import plain
from shared.outbox import wire
from shared.outbox.writing import add_card
from shared.service import CardReader, Runtime

AT_ONCE = 1_000
READ = 5_000

_SENT = "SELECT key FROM relay_cards WHERE topic = $1 ORDER BY key"
_EPOCH = "SELECT cards_epoch FROM relay_lease WHERE service = $1"


async def audit_cards(runtime: Runtime) -> int:
    """Publish again each card or tombstone whose last value in the log is not the database's; return 0 when done."""
    for topic, reader in runtime.service.card_readers.items():
        for partition in await _partitions(runtime, topic):
            await _audit(runtime, partition, reader)
    return 0


async def tick(runtime: Runtime) -> int:
    """Append a record that says nothing to each partition of the service's contact topics.

    Only that all cards were sent anew, if ever: a partition without a card has no other record to say it.
    """
    partitions = [each for topic in runtime.service.card_readers for each in await _partitions(runtime, topic)]
    name = runtime.service.name
    async with runtime.db.connection() as connection:
        epoch = await connection.fetchval(_EPOCH, name) or 0
    await runtime.bus.send(
        [wire.record_of_machinery(wire.TICK_TYPE, name, each, cards_epoch=epoch) for each in partitions]
    )
    return 0


async def _partitions(runtime: Runtime, topic: str) -> list[TopicPartition]:
    return sorted(await runtime.bus.bounds([topic]))


async def _audit(runtime: Runtime, partition: TopicPartition, reader: CardReader) -> None:
    last = await _last_values(runtime, partition)
    for key in await _sent_keys(runtime, partition):
        last.setdefault(key, None)
    keys = list(last)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        async with runtime.db.transaction() as tx:
            present = await reader(driver(tx), some)
            add_card(tx, partition.topic, *(key for key in some if _digest(present.get(key)) != last[key]))


async def _sent_keys(runtime: Runtime, partition: TopicPartition) -> list[UUID]:
    """Return the keys whose cards were sent to a partition: a restored log may hold nothing of some."""
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(_SENT, partition.topic)
    partitions = runtime.settings.partitions
    return [plain(row["key"]) for row in rows if partition_of(row["key"], partitions) == partition.partition]


async def _last_values(runtime: Runtime, partition: TopicPartition) -> dict[UUID, bytes | None]:
    """Return a digest of each key's last value in the log; None where that is a tombstone."""
    last: dict[UUID, bytes | None] = {}
    first, end = (await runtime.bus.bounds([partition.topic]))[partition]
    while first < end and (records := await runtime.bus.read(partition, first, most=READ)):
        last.update({record.key: _digest(record.body) for record in records if wire.is_card(record)})
        first = records[-1].offset + 1
    return last


def _digest(body: bytes | None) -> bytes | None:
    return None if body is None else hashlib.blake2b(body, digest_size=16).digest()
