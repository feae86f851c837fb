"""What a relay asks of the log after a rest: where it ends, and for all only where that is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.bus import Record, TopicPartition
from shared.ids import new_id
from shared.outbox.alignment import LogBehind
from shared.outbox.relay import Relay
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import TOPICS, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all
from tests.support.restores import copy_of_log


async def send_and_rest(runtime: Runtime, relay: Relay) -> None:
    """Send all there is, find nothing more, and rest for longer than the log is trusted."""
    while await relay.turn():
        pass
    relay.alignment._trusted_until = 0.0


async def test_after_a_rest_a_log_that_ends_where_it_ended_is_not_read(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_echo()
    relay = Relay(runtime)
    await say(runtime, *(said(new_id(), number) for number in range(10)))
    await send_and_rest(runtime, relay)
    read: list[Mapping[TopicPartition, int]] = []

    async def read_many(offsets: Mapping[TopicPartition, int], **_: Any) -> dict[TopicPartition, Sequence[Record]]:
        read.append(offsets)
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(runtime.bus, "read_many", read_many)
        await say(runtime, *(said(new_id(), number) for number in range(10, 20)))
        await send_and_rest(runtime, relay)
    await relay.release()
    await hear_all(runtime)

    assert read == []
    assert sorted(await numbers_heard(runtime)) == [*range(20)]


async def test_a_log_that_was_restored_from_an_older_copy_during_a_rest_stops_the_relay(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    relay = Relay(runtime)
    await say(runtime, *(said(new_id(), number) for number in range(5)))
    await send_and_rest(runtime, relay)
    async with copy_of_log(runtime.bus, TOPICS, partitions=3) as copy:
        await say(runtime, *(said(new_id(), number) for number in range(5, 10)))
        await send_and_rest(runtime, relay)
        await copy.restore()
        await say(runtime, said(new_id(), 10))
        with pytest.raises(LogBehind):
            await relay.turn()
