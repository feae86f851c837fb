"""What a service whose database was restored takes over again from its own log: facts that cannot be undone.

A person who was erased stays erased, two who were merged stay one, a message that was sent was sent. The relay has them
taken over when it brings the database to where the log is; a worker does before it does anything else, as the relay
waits until old sends have expired.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Record
from shared.clock import utcnow
from shared.contracts import Event
from shared.db import driver
from shared.outbox import restoring, wire
from shared.outbox.tails import read_tails
from shared.outbox.writing import flush
from shared.service import Runtime

_KNOWN_AGAIN = "UPDATE lost_events SET remade_at = $2 WHERE event_id = ANY($1::uuid[]) AND remade_at IS NULL"

log = structlog.get_logger(__name__)


async def relearn(tx: AsyncSession, runtime: Runtime, records: Sequence[Record]) -> int:
    """Have the service take over those of `records`, of its own log, that it relearns; return how many there were."""
    relearners = {event.type: (event, take_over) for event, take_over in runtime.service.relearners.items()}
    mine = [record for record in records if wire.type_of(record) in relearners]
    tx.info["runtime"] = runtime
    for record in mine:
        contract, take_over = relearners[wire.type_of(record)]
        await take_over(tx, wire.received(record, contract))
    await driver(tx).execute(_KNOWN_AGAIN, [wire.id_of(record) for record in mine], utcnow())
    await flush(tx)
    return len(mine)


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
    found = await restoring.read_on(runtime.bus, standings, tails, ())
    async with runtime.db.transaction() as tx:
        count = await relearn(tx, runtime, found.records)
    log.error("relearned", service=service.name, events=count)
    return count


def _topic_of(event: type[Event]) -> str:
    return event.topic
