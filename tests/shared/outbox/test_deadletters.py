"""What an operator does with parked and dead events, by code and by command."""

from __future__ import annotations

import pytest

from services import cli_events
from shared.ids import new_id
from shared.outbox import deadletters
from shared.outbox.deadletters import NoSuchEvent, NotAPlace, NotAState, Place
from shared.outbox.drain import TRIES, drain
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import fetch, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, relay_all
from tests.shared.outbox.test_faults import failing_on


async def with_a_dead_event(make_echo: MakeEcho, poisons: set[int]) -> tuple[Runtime, Place]:
    runtime = await make_echo(failing_on(poisons))
    await say(runtime, said(new_id(), 7))
    await relay_all(runtime)
    await hear_all(runtime)
    for _ in range(TRIES):
        await drain(runtime, backoff_s=(0,))
    [row] = await deadletters.listed(runtime.db, "echo", state="dead")
    return runtime, Place(row["topic"], row["partition"], row["offset"])


async def test_a_dead_event_that_is_replayed_is_handled_by_the_drain(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime, place = await with_a_dead_event(make_echo, poisons)
    poisons.clear()

    assert await deadletters.replay(runtime.db, "echo", place) == 1
    assert await drain(runtime) == 1
    assert await numbers_heard(runtime) == [7]
    assert await deadletters.listed(runtime.db, "echo") == []


async def test_replaying_all_tries_whatever_is_parked_or_dead(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime, _ = await with_a_dead_event(make_echo, poisons)
    await say(runtime, said(number=7))
    await relay_all(runtime)
    await hear_all(runtime)
    poisons.clear()

    assert await deadletters.replay(runtime.db, "echo") == 2
    assert await drain(runtime) == 2
    assert await numbers_heard(runtime) == [7, 7]


async def test_replaying_all_counts_those_alone_that_are_tried(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    await say(runtime, *(said(key, number) for key in (new_id(), new_id()) for number in (7, 8, 9)))
    await relay_all(runtime)
    await hear_all(runtime)

    assert await deadletters.replay(runtime.db, "echo") == 2
    assert [row["attempts"] for row in await fetch(runtime, "SELECT attempts FROM parked WHERE attempts > 0")] == []


async def test_a_discarded_event_loses_its_body_and_is_not_replayed(make_echo: MakeEcho) -> None:
    poisons = {7}
    runtime, place = await with_a_dead_event(make_echo, poisons)
    poisons.clear()
    await deadletters.discard(runtime.db, "echo", place)

    assert await deadletters.replay(runtime.db, "echo") == 0
    assert await drain(runtime) == 0
    [row] = await fetch(runtime, "SELECT state, body FROM parked")
    assert tuple(row) == ("discarded", None)


async def test_a_parked_event_that_is_discarded_lets_its_key_go_on(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    ill = new_id()
    await say(runtime, said(ill, 7), said(ill, 8))
    await relay_all(runtime)
    await hear_all(runtime)
    [row] = await deadletters.listed(runtime.db, "echo")
    await deadletters.discard(runtime.db, "echo", Place(row["topic"], row["partition"], row["offset"]))
    await drain(runtime)

    assert await numbers_heard(runtime, ill) == [8]


async def test_followers_are_listed_when_asked_for(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    ill = new_id()
    await say(runtime, said(ill, 7), said(ill, 8))
    await relay_all(runtime)
    await hear_all(runtime)

    assert len(await deadletters.listed(runtime.db, "echo")) == 1
    assert len(await deadletters.listed(runtime.db, "echo", followers=True)) == 2


async def test_an_event_shows_its_headers_body_and_error(make_echo: MakeEcho) -> None:
    runtime, place = await with_a_dead_event(make_echo, {7})
    row = await deadletters.shown(runtime.db, "echo", place)

    assert row["headers"]["ce_type"] == "echo.said"
    assert b'"number":7' in row["body"]
    assert row["error"] == "Refused: No."


@pytest.mark.parametrize("text", ["", "leads.events.v1", "leads.events.v1/3", "leads.events.v1/x/1", "/1/2"])
def test_what_names_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(NotAPlace, match=r"leads\.events\.v1/3/120"):
        Place.of(text)


async def test_a_state_that_there_is_not_is_refused_rather_than_found_empty(make_echo: MakeEcho) -> None:
    runtime = await make_echo()

    with pytest.raises(NotAState, match="'deaf' is no state of an event; one of parked, unknown, dead, discarded is"):
        await deadletters.listed(runtime.db, "echo", state="deaf")


async def test_acting_on_an_event_that_is_not_parked_is_refused(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    place = Place("echo.events.v1", 0, 3)

    for act in (deadletters.shown, deadletters.replay, deadletters.discard):
        with pytest.raises(NoSuchEvent, match=r"echo\.events\.v1/0/3"):
            await act(runtime.db, "echo", place)


def test_a_command_for_an_unknown_service_names_those_there_are() -> None:
    with pytest.raises(SystemExit, match=r"'lead' is no service; one of customers, leads, .* is"):
        cli_events.service_named("lead")
