"""Laws: figures are a function of the facts, whatever order the events came in and however often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.metrics.folder import COUNTED, audit
from shared.contracts import Event
from shared.service import Runtime
from tests.metrics.facts import (
    answer,
    answer_to,
    cancellation,
    delivery,
    given_up,
    invitation,
    lead,
    merge,
    merged_lead,
    purchase,
    refund,
    reopened,
)
from tests.support.events import deliver, turn

PEOPLE = ("ana", "bea", "cyr", "dan")
BEGINNING = datetime(2025, 12, 1, tzinfo=UTC)
FACTS = (
    "purchases",
    "refunds",
    "cancellations",
    "merges",
    "leads",
    "lead_answers",
    "lead_outcomes",
    "lead_reopenings",
    "invitations",
    "deliveries",
    "answers",
)

people = st.sampled_from(PEOPLE)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A few people's purchases (some refunded, some cancelled), leads and answers over a year, and merges."""
    events: list[Event] = []
    for number in range(draw(st.integers(1, 7))):
        hours = draw(st.integers(0, 24 * 365))
        bought = purchase(draw(people), BEGINNING + timedelta(hours=hours), draw(st.integers(0, 900)), number=number)
        events += [bought, *_afterwards(draw, bought)]
    for number in range(draw(st.integers(0, 2))):
        events += _of_a_lead(draw, number)
    for number in range(draw(st.integers(0, 2))):
        events += _of_a_survey(draw, number)
    pairs = draw(st.lists(st.tuples(people, people).filter(lambda pair: pair[0] != pair[1]), max_size=2))
    return events + [merge(*pair) for pair in pairs]


def _afterwards(draw: st.DrawFn, bought: Any) -> list[Event]:
    happened = draw(st.sampled_from(["nothing", "nothing", "refund", "cancellation", "both"]))
    events: list[Event] = []
    if happened in ("refund", "both"):
        events.append(refund(bought, 10))
    if happened in ("cancellation", "both"):
        events.append(cancellation(bought))
    return events


def _of_a_lead(draw: st.DrawFn, number: int) -> list[Event]:
    day = f"2026-0{draw(st.integers(1, 9))}-1{number}"
    asked = lead(draw(people), f"{day} 09:00", due=f"{day} 09:05")
    answered = [answer_to(asked, f"{day} 09:0{minute}") for minute in draw(st.sets(st.integers(1, 9), max_size=2))]
    return [asked, *answered, *_endings_of(draw, asked, day)]


def _endings_of(draw: st.DrawFn, asked: Any, day: str) -> list[Event]:
    """Return nothing, or that a lead was given up, perhaps taken up again, perhaps made one with another."""
    happened = draw(st.sets(st.sampled_from(["given up", "reopened", "given up again", "merged"])))
    told = {
        "given up": given_up(asked, f"{day} 09:03"),
        "reopened": reopened(asked, f"{day} 09:30", due=f"{day} 09:35"),
        "given up again": given_up(asked, f"{day} 09:40"),
        "merged": merged_lead(asked, f"{day} 10:00"),
    }
    return [told[each] for each in sorted(happened)]


def _of_a_survey(draw: st.DrawFn, number: int) -> list[Event]:
    asked = invitation(draw(people), f"2026-05-0{number + 1}")
    revisions = draw(st.integers(0, 3))
    said = [
        answer(
            asked, f"2026-05-1{revision}", revision, "satisfied" if revision > 1 else "unsatisfied", revision=revision
        )
        for revision in range(1, revisions + 1)
    ]
    return [asked, delivery(asked, "2026-05-09"), *said]


async def _emptied(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        tables = ", ".join((*FACTS, *COUNTED, "kept_counts", "dirty"))
        await connection.execute(f"TRUNCATE {tables}")


async def _counts(runtime: Runtime) -> set[tuple[Any, ...]]:
    async with runtime.db.connection() as connection:
        rows = await connection.fetch("SELECT * FROM kept_counts WHERE amount <> 0")
    return {tuple(row) for row in rows}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), told=histories())
async def test_any_order_and_any_redelivery_give_the_same_figures(
    runtime: Runtime, data: st.DataObject, told: list[Event]
) -> None:
    await _emptied(runtime)
    await deliver(runtime, *told)
    await turn(runtime, "fold")
    at_once = await _counts(runtime)

    await _emptied(runtime)
    shuffled = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=4))))
    for event in shuffled:
        await deliver(runtime, event)
        if data.draw(st.booleans()):
            await turn(runtime, "fold")
    await turn(runtime, "fold")

    assert await _counts(runtime) == at_once
    found = await audit(runtime)
    assert found.differing == {}
    assert found.compared > 0 or not at_once
