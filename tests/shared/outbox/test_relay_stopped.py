"""A relay's process stopped until its lease is taken, then woken with a batch on its way."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from shared.bus.protocol import BusUnavailable
from shared.ids import new_id
from shared.outbox.lease import LeaseLost
from shared.outbox.relay import Relay
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import FACTS, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, log_of, places
from tests.support.eventually import eventually
from tests.support.processes import Running, running

SETTINGS = (
    "database_url",
    "bus_database_url",
    "kafka_bootstrap_servers",
    "kafka_prefix",
    "partitions",
    "mode",
    "jwt_public_key",
)


def settings_of(runtime: Runtime) -> str:
    given = {name: getattr(runtime.settings, name) for name in SETTINGS}
    return json.dumps(given | {"secret_key": runtime.settings.secret_key.get_secret_value()})


def is_stopped(relaying: Running) -> bool:
    return Path(f"/proc/{relaying.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def relay_when_the_lease_is_over(relay: Relay) -> None:
    async with asyncio.timeout(30):
        while await relay.pending():
            try:
                await relay.turn()
            except (LeaseLost, BusUnavailable):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("moment", ["before", "amid", "transaction"])
async def test_a_relay_that_is_woken_after_another_took_its_lease_doubles_and_drops_nothing(
    make_echo: MakeEcho, moment: str
) -> None:
    runtime = await make_echo()
    people = [new_id() for _ in range(10)]
    await say(runtime, *(said(person, 1) for person in people))
    other = Relay(runtime)
    async with running(["tests.shared.outbox.stopping_relay", settings_of(runtime), moment]) as relaying:
        await eventually(lambda: is_stopped(relaying), within=30)
        await say(runtime, *(said(person, 2) for person in people))
        await relay_when_the_lease_is_over(other)
        await say(runtime, *(said(person, 3) for person in people))
        await relay_when_the_lease_is_over(other)
        relaying.send(signal.SIGCONT)
        await relaying.line("failed", within=30)
        await other.release()
        await say(runtime, *(said(person, 4) for person in people))
        await relaying.line("sent", within=30)
    await relay_when_the_lease_is_over(other)
    await hear_all(runtime)

    for positions in places(await log_of(runtime, FACTS)).values():
        firsts = list(dict.fromkeys(positions))
        assert firsts == list(range(1, len(firsts) + 1))
    assert [await numbers_heard(runtime, person) for person in people] == [[1, 2, 3, 4]] * len(people)
