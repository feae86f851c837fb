"""Going on after the log was restored from an older copy, or made anew: `peyvand topics realign`.

A gap record stands for the positions that the log has lost: consumers that had read them pass it, the others jump over
them. All cards go out once more and say so, so that consumers read the contact topics from their beginnings.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID

from shared.bus import Record, TopicPartition
from shared.db import driver
from shared.errors import Conflict
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.alignment import Alignment, LogAhead, Survey
from shared.outbox.cards_audit import tick
from shared.outbox.lease import LEASE_S, LeaseLost, hold, release, say_why
from shared.outbox.writing import add_card
from shared.service import Runtime

PATIENCE_S = 3 * LEASE_S
AT_ONCE = 1_000

_KEYS = "SELECT key FROM relay_cards WHERE topic = $1 AND key > $2 ORDER BY key LIMIT $3"
_BEGIN_EPOCH = "UPDATE relay_lease SET cards_epoch = $2 WHERE service = $1"


class RelayAtWork(Conflict):
    """The relay holds its lease, which it gives up where it stands still."""

    code = "relay_at_work"

    def __init__(self, service: str) -> None:
        super().__init__(f"The relay of {service} is at work: it does not stand still, or has not found out yet.")


@dataclass(frozen=True, slots=True)
class Realigned:
    """What was done: how many partitions lacked something, how many events in all, and how many cards are sent."""

    partitions: int = 0
    missing: int = 0
    cards: int = 0


async def realign(runtime: Runtime, *, patience_s: float = PATIENCE_S) -> Realigned:
    """Declare what the log lacks and send all cards again; do nothing where log and database agree.

    Raises `RelayAtWork`, `LogAhead`, `BusUnavailable`. Broken off half-way, it can be called again.
    """
    alignment = Alignment(runtime, new_id())
    survey = await _survey(alignment, patience_s)
    try:
        if survey.ahead:
            raise LogAhead(runtime.service.name)
        if not survey.lacking:
            return Realigned()
        cards = await _queue_all_cards(runtime, alignment)
        gaps = {
            each: _missing(survey, each) for each in survey.lacking if each.topic not in runtime.service.card_readers
        }
        await runtime.bus.send([_gap(runtime.service.name, each, missing) for each, missing in gaps.items()])
        await tick(runtime)
        return Realigned(len(survey.lacking), sum(map(len, gaps.values())), cards)
    finally:
        await _let_go(runtime, alignment)


async def _survey(alignment: Alignment, patience_s: float) -> Survey:
    """Wait for the lease: a relay that stands still takes it for a moment now and then, to look again."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return await alignment.survey()
        except LeaseLost as lost:
            if time.monotonic() > until:
                raise RelayAtWork(alignment.service.name) from lost
        await asyncio.sleep(0.1)


def _missing(survey: Survey, partition: TopicPartition) -> range:
    """Return the positions that the log lacks."""
    return range(survey.lacking[partition].position + 1, survey.standings[partition].acknowledged + 1)


def _gap(service: str, partition: TopicPartition, missing: range) -> Record:
    """Make the record that stands for what is missing, in the place of the last of it."""
    first, last = missing[0], missing[-1]
    return wire.record_of_machinery(wire.GAP_TYPE, service, partition, position=last, missing_from=first)


async def _queue_all_cards(runtime: Runtime, alignment: Alignment) -> int:
    """Write that every card changed, a page a transaction; nothing is sent before the relay goes on."""
    queued, name = 0, runtime.service.name
    async with runtime.db.transaction() as tx:
        await hold(driver(tx), name, alignment.owner, LEASE_S)
        await driver(tx).execute(_BEGIN_EPOCH, name, int(time.time()))
    for topic in runtime.service.card_readers:
        last = UUID(int=0)
        while True:
            async with runtime.db.transaction() as tx:
                await hold(driver(tx), name, alignment.owner, LEASE_S)
                keys = [row["key"] for row in await driver(tx).fetch(_KEYS, topic, last, AT_ONCE)]
                add_card(tx, topic, *keys)
            if not keys:
                break
            queued, last = queued + len(keys), keys[-1]
    return queued


async def _let_go(runtime: Runtime, alignment: Alignment) -> None:
    """Give the lease to the relay, which looks again before it sends."""
    async with runtime.db.transaction() as tx:
        await hold(driver(tx), runtime.service.name, alignment.owner, LEASE_S)
        await say_why(driver(tx), runtime.service.name, None)
        await release(driver(tx), runtime.service.name, alignment.owner)
