"""An event that kills the process, for real: it is found, parked, and after five tries dead; all else is heard."""

from __future__ import annotations

import json
import signal

import pytest

from shared.ids import new_id
from shared.outbox import deadletters
from shared.outbox.batches import DEATHS
from shared.outbox.drain import DEADLY, TRIES
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.dying import DEADLY as DEADLY_NUMBER
from tests.shared.outbox.dying import mortal
from tests.shared.outbox.echo import TOPICS, echo, fetch, numbers_heard, said, say
from tests.shared.outbox.machinery import relay_all
from tests.support.processes import running
from tests.support.runtimes import SECRET

GIVEN = ("database_url", "bus_database_url", "jwt_public_key", "mode", "partitions")
MOST_DEATHS = 12


async def deaths_until_done(runtime: Runtime, what: str, *, hours_apart: int = 0) -> int:
    """Start the process again, as a supervisor does, until it ends by itself; return how often it was killed."""
    given = {name: getattr(runtime.settings, name) for name in GIVEN} | {"secret_key": SECRET}
    settings = json.dumps(given)
    for deaths in range(MOST_DEATHS):
        arguments = ["tests.shared.outbox.dying", what, str(hours_apart * deaths), settings]
        async with running(arguments) as process:
            status = await process.ended(within=60)
        if status == 0:
            return deaths
        assert status == -signal.SIGKILL, "\n".join(process.lines)
    raise AssertionError(f"It was killed {MOST_DEATHS} times.")


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    runtime = await make_runtime(echo(mortal()), partitions=1)
    await runtime.bus.create_topics(TOPICS, partitions=1)
    return runtime


async def test_an_event_that_kills_the_process_is_found_parked_and_after_five_more_deaths_dead(
    runtime: Runtime,
) -> None:
    ill = new_id()
    numbers = [*range(DEADLY_NUMBER), *range(DEADLY_NUMBER + 1, 12)]
    await say(runtime, *(said(number=number) for number in numbers))
    await say(runtime, said(ill, 20), said(ill, DEADLY_NUMBER), said(ill, 21), said(ill, 22))
    await relay_all(runtime)

    assert await deaths_until_done(runtime, "inbox") == DEATHS + 1
    assert sorted(await numbers_heard(runtime)) == [*numbers, 20]
    [head] = await deadletters.listed(runtime.db, "echo")
    assert (head["key"], head["error"]) == (ill, "It ended the process, or hung it, when it was tried alone.")

    assert await deaths_until_done(runtime, "drain", hours_apart=1) == TRIES
    assert await numbers_heard(runtime, ill) == [20, 21, 22]
    rows = await fetch(runtime, "SELECT state, error FROM parked")
    assert [tuple(row) for row in rows] == [("dead", DEADLY)]
