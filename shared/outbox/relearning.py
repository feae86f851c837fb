"""What a service whose database was restored takes over again from its own log: facts that cannot be undone.

A person who was erased stays erased, two who were merged stay one, a message that was sent was sent. The relay has them
taken over when it brings the database to where the log is; a worker does before it does anything else, as the relay
waits until old sends have expired.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.contracts import Event
from shared.db import driver, part_of
from shared.outbox import restoring, wire
from shared.outbox.batches import leave_behind
from shared.outbox.faults import is_events_fault
from shared.outbox.parking import Parking, open_parking, park, relearner, wait_behind
from shared.outbox.tails import read_tails
from shared.outbox.writing import flush
from shared.service import Runtime

_KNOWN_AGAIN = "UPDATE lost_events SET remade_at = $2 WHERE event_id = ANY($1::uuid[]) AND remade_at IS NULL"

log = structlog.get_logger(__name__)


async def relearn(tx: AsyncSession, runtime: Runtime, records: Sequence[Record]) -> int:
    """Have the service take over those records of a partition of its own log that it relearns; return how many.

    One that fails is parked with what follows for its key, as a handler's would be: the drain tries it again.
    Raises `CodeAtFault` when too many do.
    """
    types = {event.type for event in runtime.service.relearners}
    mine = [record for record in records if wire.type_of(record) in types]
    if not mine:
        return 0
    raw, name = driver(tx), relearner(runtime.service.consumer.service)
    partition = TopicPartition(mine[0].topic, mine[0].partition)
    parking = await open_parking(raw, name, partition, mine)
    free = parking.leave_out(mine)
    try:
        await _relearn_all(tx, runtime, free)
    except Exception as error:
        if not is_events_fault(error):
            raise
        for record in free:
            await _relearn_or_park(tx, runtime, record, parking)
    await park(raw, name, partition, parking)
    await wait_behind(raw, name, partition, parking)
    await raw.execute(_KNOWN_AGAIN, [wire.id_of(record) for record in mine], utcnow())
    return len(mine)


async def _relearn_all(tx: AsyncSession, runtime: Runtime, records: Sequence[Record]) -> None:
    async with part_of(tx) as part:
        for record in records:
            await relearn_one(part, runtime, record)


async def _relearn_or_park(tx: AsyncSession, runtime: Runtime, record: Record, parking: Parking) -> None:
    for free in parking.leave_out([record]):
        try:
            await _relearn_all(tx, runtime, [free])
        except Exception as error:
            if not is_events_fault(error):
                raise
            leave_behind(parking, free, error)
            log.warning("not_relearned", type=wire.type_of(free), why=parking.errors[free.offset])


async def relearn_one(tx: AsyncSession, runtime: Runtime, record: Record) -> None:
    """Have the service take over a record of its own log, of a type that it relearns."""
    tx.info["runtime"] = runtime
    for contract, take_over in runtime.service.relearners.items():
        if contract.type == wire.type_of(record):
            await take_over(tx, wire.received(record, contract))
    await flush(tx)


async def relearn_at_start(runtime: Runtime) -> int:
    """Take over what the log holds beyond the database, before anything is done that it may show to be done.

    The log is asked first: what a relay at work sends meanwhile is noted in the database before it is sent, so it does
    not look lost. Raises `BusUnavailable` where the log cannot be asked.
    """
    service = runtime.service
    topics = sorted({_topic_of(event) for event in service.relearners})
    if not topics:
        return 0
    tails = await read_tails(runtime.bus, topics)
    async with runtime.db.connection() as connection:
        standings = await restoring.read_standings(connection, service)
    standings = {each: standing for each, standing in standings.items() if each in tails}
    if not restoring.ahead_of(standings, tails, ()):
        return 0
    count = 0
    async for step in restoring.steps(runtime.bus, standings, tails, ()):
        async with runtime.db.transaction() as tx:
            count += await relearn(tx, runtime, step.records)
    log.error("relearned", service=service.name, events=count)
    return count


def _topic_of(event: type[Event]) -> str:
    return event.topic
