"""Figures of leads, on a story worked by hand. Six leads of one day, due five minutes after they came.

| lead | source   | agent         | answered      | response                         |
|------|----------|---------------|---------------|----------------------------------|
| l1   | website  | ava answers   | after 3 min   | in time                          |
| l2   | website  | ava answers   | after 9 min   | late                             |
| l3   | call     | owned by ben  | never         | missed                           |
| l4   | call     | ben answers   | after 2 min   | in time                          |
| l5   | walk_in  |               | born answered | not counted                      |
| l6   | website  | owned by ben  | not due yet   | waits (due an hour from now)     |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from shared.clock import moved, utcnow
from shared.contracts.leads import (
    LeadAssigned,
    LeadCaptured,
    LeadConverted,
    LeadQualified,
    LeadUpdated,
)
from shared.service import Runtime
from tests.metrics.facts import (
    answer_to,
    at,
    given_up,
    lead,
    merge,
    merged_lead,
    named,
    points,
    purchase,
    reopened,
    values,
)
from tests.support.events import deliver, turn

AVA, BEN = named("ava"), named("ben")
DAY = {"from_": "2026-04-02", "to": "2026-04-03"}


def _lead(who: str, **more: Any) -> Any:
    return lead(who, "2026-04-02 09:00", due="2026-04-02 09:05", **more)


@pytest.fixture
async def told(runtime: Runtime) -> Runtime:
    first, second, third, fourth = _lead("l1"), _lead("l2"), _lead("l3", source="call"), _lead("l4", source="call")
    waiting = LeadCaptured(
        occurred_at=at("2026-04-02 09:00"),
        lead_id=named("l6"),
        person_id=named("l6"),
        source="website",
        agent_id=BEN,
        response_due_at=utcnow() + timedelta(hours=1),
    )
    await deliver(
        runtime,
        first,
        second,
        third,
        fourth,
        lead("l5", "2026-04-02 10:00", source="walk_in", born_answered=True),
        waiting,
        answer_to(first, "2026-04-02 09:03", in_time=True, agent_id=AVA),
        answer_to(second, "2026-04-02 09:09", in_time=False, agent_id=AVA),
        answer_to(fourth, "2026-04-02 09:02", in_time=True, agent_id=BEN),
        LeadAssigned(
            occurred_at=at("2026-04-02 09:01"), lead_id=third.lead_id, person_id=third.person_id, agent_id=BEN
        ),
    )
    await turn(runtime, "fold")
    return runtime


async def test_leads_are_counted_on_the_day_they_were_captured(told: Runtime, client: httpx.AsyncClient) -> None:
    assert await values(client, "leads_captured", **DAY) == [6]
    assert await values(client, "leads_captured", from_="2026-04-03", to="2026-04-04") == [0]


async def test_missed_leads_count_and_waiting_ones_do_not_yet(told: Runtime, client: httpx.AsyncClient) -> None:
    """2 in time of 4: in time 2, late 1, missed 1."""
    [point] = await points(client, "leads_answered_in_time", **DAY)

    assert (point["value"], point["count"]) == (50, 4)
    assert point["parts"] == {"captured": 6, "in_time": 2, "late": 1, "missed": 1, "waiting": 1, "born_answered": 1}


async def test_a_waiting_lead_is_missed_once_it_is_due(told: Runtime, client: httpx.AsyncClient) -> None:
    with moved(timedelta(hours=1, seconds=1)):
        [point] = await points(client, "leads_answered_in_time", **DAY)

    assert (point["value"], point["parts"]["missed"], point["parts"]["waiting"]) == (40, 2, 0)


async def test_a_lead_that_was_closed_before_its_answer_was_due_is_not_missed(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Of four unanswered: won at 09:04 and given up at 09:05 are not missed; given up at 09:06, and never, are."""
    won, dropped, late, forgotten = (_lead(f"l{number}") for number in range(4))

    await deliver(
        runtime,
        LeadConverted(
            lead_id=won.lead_id, person_id=won.person_id, source="website", occurred_at=at("2026-04-02 09:04")
        ),
        given_up(dropped, "2026-04-02 09:05"),
        given_up(late, "2026-04-02 09:06"),
        *(won, dropped, late, forgotten),
    )
    await turn(runtime, "fold")
    [point] = await points(client, "leads_answered_in_time", **DAY)

    assert (point["value"], point["count"], point["parts"]["missed"]) == (0, 2, 2)


DROPPED, TAKEN_UP, DUE_ANEW = "2026-04-02 09:04", "2026-04-02 10:00", "2026-04-02 10:05"


@pytest.mark.parametrize(
    ("then", "value", "missed"),
    [
        pytest.param((), 0, 1, id="never answered"),
        pytest.param(("answered 10:03",), 100, 0, id="answered in the new time"),
        pytest.param(("given up 10:02",), None, 0, id="given up again in time"),
        pytest.param(("given up 10:09",), 0, 1, id="given up again too late"),
        pytest.param(("given up 10:02", "reopened 11:00"), 0, 1, id="reopened again and never answered"),
        pytest.param(("won 10:04",), None, 0, id="won in time"),
        pytest.param(("merged 10:09",), None, 0, id="part of another lead"),
    ],
)
async def test_a_lead_that_was_reopened_unanswered_is_asked_anew(
    runtime: Runtime, client: httpx.AsyncClient, then: tuple[str, ...], value: float | None, missed: int
) -> None:
    """Given up at 09:04, before its answer was due at 09:05; taken up at 10:00, due at 10:05."""
    asked = _lead("l1")
    await deliver(runtime, reopened(asked, TAKEN_UP, due=DUE_ANEW), given_up(asked, DROPPED), asked)
    await deliver(runtime, *(_told(asked, *each.rsplit(" ", 1)) for each in then))
    await turn(runtime, "fold")

    [point] = await points(client, "leads_answered_in_time", **DAY)
    assert (point["value"], point["parts"]["missed"]) == (value, missed)


def _told(asked: LeadCaptured, what: str, hour: str) -> Any:
    when = f"2026-04-02 {hour}"
    answered = answer_to(asked, when, in_time=True)
    return {
        "answered": msgspec.structs.replace(answered, question_asked_at=at(TAKEN_UP)),
        "given up": given_up(asked, when),
        "reopened": reopened(asked, when, due="2026-04-02 11:05"),
        "won": LeadConverted(occurred_at=at(when), source="website", lead_id=asked.lead_id, person_id=asked.person_id),
        "merged": merged_lead(asked, when),
    }[what]


async def test_who_was_missed_before_being_reopened_is_answered_late(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Given up at 09:06, when the answer had been due for a minute; the answer to the new question does not undo it."""
    asked = _lead("l1")
    await deliver(runtime, asked, given_up(asked, "2026-04-02 09:06"), reopened(asked, TAKEN_UP, due=DUE_ANEW))
    await deliver(runtime, _told(asked, "answered", "10:03"))
    await turn(runtime, "fold")

    [point] = await points(client, "leads_answered_in_time", **DAY)
    assert (point["value"], point["parts"]["late"], point["parts"]["missed"]) == (0, 1, 0)


async def test_a_reopened_lead_whose_new_time_has_not_come_waits(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked, now = _lead("l1"), utcnow()
    anew = reopened(asked, TAKEN_UP)
    await deliver(runtime, asked, given_up(asked, DROPPED))
    await deliver(runtime, msgspec.structs.replace(anew, response_due_at=now + timedelta(hours=1)))
    await turn(runtime, "fold")

    [point] = await points(client, "leads_answered_in_time", **DAY)
    assert (point["value"], point["parts"]["waiting"], point["parts"]["missed"]) == (None, 1, 0)


async def test_a_lead_that_was_merged_counts_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = _lead("l1"), _lead("l2", source="call")
    await deliver(runtime, merged_lead(second, "2026-04-02 11:00", into=first), first, second)
    await turn(runtime, "fold")

    assert await values(client, "leads_captured", **DAY) == [1]
    assert [point["by"] for point in await points(client, "leads_captured", **DAY, by="source")] == ["website"]


async def test_answers_in_time_are_told_apart_by_source_and_agent(told: Runtime, client: httpx.AsyncClient) -> None:
    by_source = await points(client, "leads_answered_in_time", **DAY, by="source")
    by_agent = await points(client, "leads_answered_in_time", **DAY, by="agent")

    assert {point["by"]: (point["value"], point["count"]) for point in by_source} == {
        "call": (50, 2),
        "walk_in": (None, 0),
        "website": (50, 2),
    }
    assert {point["by"]: (point["value"], point["count"]) for point in by_agent} == {
        str(AVA): (50, 2),
        str(BEN): (50, 2),
        None: (None, 0),
    }


async def test_the_first_answer_is_what_counts(runtime: Runtime, client: httpx.AsyncClient) -> None:
    """A later question of the same lead, answered too late, does not spoil the first answer; nor the other way."""
    asked = _lead("l1")
    later = answer_to(asked, "2026-04-05 12:00", in_time=False)
    await deliver(runtime, msgspec.structs.replace(later, question_asked_at=at("2026-04-05 09:00")), asked)
    await deliver(runtime, answer_to(asked, "2026-04-02 09:04", in_time=True))
    await turn(runtime, "fold")

    assert await values(client, "leads_answered_in_time", **DAY) == [100]


async def test_an_answer_before_its_lead_is_not_lost(runtime: Runtime, client: httpx.AsyncClient) -> None:
    asked = _lead("l1")
    await deliver(runtime, answer_to(asked, "2026-04-02 09:04", in_time=True, agent_id=AVA))
    await turn(runtime, "fold")
    assert await values(client, "leads_answered_in_time", **DAY) == [None]

    await deliver(runtime, asked)
    await turn(runtime, "fold")
    assert await values(client, "leads_answered_in_time", **DAY) == [100]


async def test_what_is_learned_of_a_lead_later_moves_it_to_its_campaign(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    asked = _lead("l1", campaign="spring")
    learned = LeadUpdated(
        occurred_at=at("2026-04-03"),
        lead_id=asked.lead_id,
        person_id=asked.person_id,
        fields=("campaign",),
        campaign="nowruz",
    )
    await deliver(runtime, asked)
    await turn(runtime, "fold")
    await deliver(runtime, learned)
    await turn(runtime, "fold")

    found = await points(client, "leads_captured", **DAY, by="campaign")
    assert [(point["by"], point["value"]) for point in found] == [("nowruz", 1)]


async def test_the_funnel_counts_stages_and_purchases_after_capture(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Of four: l1 bought just before 30 days were over, l2 just after, l3 was won by hand only, l4 bought before."""
    leads = [_lead(who) for who in ("l1", "l2", "l3", "l4")]
    captured = leads[0].occurred_at
    said = at("2026-04-02 10:00")
    await deliver(
        runtime,
        *leads,
        LeadQualified(occurred_at=said, lead_id=leads[0].lead_id, person_id=leads[0].person_id),
        LeadConverted(occurred_at=said, lead_id=leads[2].lead_id, person_id=leads[2].person_id, source="website"),
        purchase("l1", captured + timedelta(days=30, microseconds=-1)),
        purchase("l2", captured + timedelta(days=30)),
        purchase("l4", captured - timedelta(days=1)),
    )
    await turn(runtime, "fold")

    [point] = await points(client, "funnel", **DAY)
    assert point["parts"] == {"captured": 4, "qualified": 2, "won": 1, "bought_30d": 1, "bought_90d": 2}
    assert point["value"] == 50


async def test_a_purchase_under_a_merged_id_converts_the_lead(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(runtime, _lead("l1"), purchase("other", "2026-04-10"))
    await turn(runtime, "fold")
    assert await values(client, "funnel", **DAY) == [0]

    await deliver(runtime, merge("other", "l1"))
    await turn(runtime, "fold")
    assert await values(client, "funnel", **DAY) == [100]


async def test_a_funnel_is_complete_when_its_ninety_days_are_over(runtime: Runtime, client: httpx.AsyncClient) -> None:
    today = utcnow().date()
    recent = {"from_": str(today - timedelta(days=60)), "to": str(today - timedelta(days=30))}
    old = {"from_": str(today - timedelta(days=160)), "to": str(today - timedelta(days=130))}

    assert [point["complete"] for point in await points(client, "funnel", **recent)] == [False]
    assert [point["complete"] for point in await points(client, "funnel", **old)] == [True]
    assert [point["complete"] for point in await points(client, "leads_captured", **recent)] == [True]
