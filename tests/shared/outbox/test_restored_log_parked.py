"""What a consumer had parked, when the log under it is restored from an older copy or made anew."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts import Received
from shared.ids import new_id
from shared.outbox import deadletters
from shared.outbox.alignment import LogBehind
from shared.outbox.consumer import Consumer
from shared.outbox.deadletters import Place
from shared.outbox.drain import drain
from shared.outbox.realigning import realign
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import TOPICS, Said, fetch, reach, said, say
from tests.shared.outbox.machinery import hear_all, relay_all
from tests.support.restores import LogCopy, copy_of_log

TIMES = 3


def refusing(poisons: set[int]) -> Consumer:
    """Return a consumer that reaches whoever spoke, unless the number is one of `poisons`."""

    async def refuse_or_reach(tx: AsyncSession, received: Received[Said]) -> None:
        if received.event.number in poisons:
            raise ValueError(received.event.number)
        await reach(tx, received)

    consumer = Consumer("echo")
    consumer.effect(Said)(refuse_or_reach)
    return consumer


async def park_then_lose_the_log(producer: Runtime, listener: Runtime, copy: LogCopy) -> None:
    await say(producer, said(new_id(), 7))
    await relay_all(producer)
    await hear_all(listener)
    await copy.restore()
    with pytest.raises(LogBehind):
        await relay_all(producer)
    await realign(producer)
    await relay_all(producer)
    await hear_all(listener)


async def test_what_was_parked_when_the_log_was_lost_again_and_again_is_kept_and_done_once_it_can_be(
    make_echo: MakeEcho,
) -> None:
    poisons = {7}
    producer = await make_echo(partitions=1, old_sends_expire_s=0.3)
    listener = await make_echo(refusing(poisons), partitions=1, beside=producer)
    async with copy_of_log(producer.bus, TOPICS, partitions=1) as copy:
        for _ in range(TIMES):
            await park_then_lose_the_log(producer, listener, copy)

    assert await fetch(listener, "SELECT FROM inbox WHERE stopped IS NOT NULL") == []
    parked = await deadletters.listed(listener.db, "echo")
    assert len(parked) == TIMES
    poisons.clear()
    for row in parked:
        place = Place.of(str(Place(row["topic"], row["partition"], row["offset"])))
        assert await deadletters.replay(listener.db, "echo", place) == 1
    await drain(listener)
    assert len(await fetch(listener, "SELECT FROM reached")) == TIMES
