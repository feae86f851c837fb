"""What starts the first-response clock, and what stops it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.leads.app import SERVICE
from services.leads.leads.touches import Touch
from shared.clock import moved, utcnow
from shared.contracts.leads import LeadRecaptured, LeadResponseOverdue, LeadStageChanged, LeadTouched
from shared.contracts.messaging import ReplyReceived
from shared.ids import new_id
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.leads.story import agent, captured, done, person_of, read, touched
from tests.support import api
from tests.support.events import deliver, published, turn

MINUTE = timedelta(minutes=1)


def reply_of(lead: dict[str, Any], **fields: Any) -> ReplyReceived:
    return ReplyReceived(reply_id=new_id(), person_id=person_of(lead), occurred_at=utcnow(), **fields)


async def test_the_first_call_answers_and_its_time_is_counted_from_the_question(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    with moved(3 * MINUTE):
        touch = await touched(client, lead)

    answered = await read(client, lead)
    assert (touch["answers"], touch["in_time"]) == (True, True)
    assert 180 <= touch["response_s"] < 190
    assert (answered["status"], answered["funnel_stage"]) == ("working", "consideration")
    assert (answered["question_asked_at"], answered["response_s"]) == (None, touch["response_s"])
    [event] = await published(runtime, LeadTouched)
    assert (event.answers, event.in_time, event.question_asked_at) == (
        True, True, datetime.fromisoformat(lead["captured_at"]),
    )  # fmt: skip
    [stage] = await published(runtime, LeadStageChanged)
    assert (stage.after, stage.reason) == ("consideration", "answered")


async def test_an_answer_after_the_due_time_is_late(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    with moved(6 * MINUTE):
        touch = await touched(client, lead)

    assert (touch["answers"], touch["in_time"]) == (True, False)


@pytest.mark.parametrize(("after", "in_time"), [(timedelta(), True), (timedelta(microseconds=1), False)])
def test_an_answer_at_the_due_time_is_in_time_and_one_after_it_is_not(after: timedelta, *, in_time: bool) -> None:
    due = datetime(2026, 11, 22, 8, 35, tzinfo=UTC)
    touch = Touch(recorded_at=due + after)
    touch.answer(asked_at=due - 5 * MINUTE, due_at=due, response=5 * MINUTE + after)

    assert touch.in_time is in_time


async def test_a_call_that_was_not_taken_answers_and_is_told_apart(client: httpx.AsyncClient) -> None:
    touch = await touched(client, await captured(client), reached=False)

    assert (touch["answers"], touch["reached"]) == (True, False)


async def test_where_a_deployment_says_so_only_a_call_that_was_taken_answers(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(SERVICE, round_the_clock=True, unreached_attempt_answers=False)
    async with api.client(runtime) as client:
        lead = await captured(client)
        assert [(await touched(client, lead, reached=reached))["answers"] for reached in (False, True)] == [False, True]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"channel": "sms", "by": "automatic"}, id="automatic acknowledgement"),
        pytest.param({"channel": "chat", "direction": "inbound"}, id="they write again"),
    ],
)
async def test_what_is_no_attempt_of_a_human_does_not_answer(client: httpx.AsyncClient, fields: dict[str, str]) -> None:
    lead = await captured(client)
    touch = await touched(client, lead, **fields)

    assert not touch["answers"]
    assert (await read(client, lead))["response_due_at"] == lead["response_due_at"]


async def test_nobody_answers_in_the_past(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    with moved(6 * MINUTE):
        touch = await touched(client, lead, occurred_at=lead["captured_at"])

    assert touch["occurred_at"] == lead["captured_at"]
    assert (touch["answers"], touch["in_time"]) == (True, False)


async def test_a_touch_by_a_clock_that_is_a_little_ahead_occurred_now(client: httpx.AsyncClient) -> None:
    ahead = (utcnow() + timedelta(seconds=4)).isoformat()
    touch = await touched(client, await captured(client), occurred_at=ahead)

    assert touch["occurred_at"] <= touch["recorded_at"]


async def test_a_touch_that_a_machine_made_is_no_agents_and_no_work_on_the_lead(client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    lead = await captured(client)
    touch = await touched(client, lead, channel="sms", by="automatic")

    assert (lead["agent_id"], touch["agent_id"]) == (owner, None)
    assert (await read(client, lead))["status"] == "new"


async def test_a_touch_from_the_future_is_refused(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    at = (utcnow() + MINUTE).isoformat()
    reply = await client.post(f"/v1/leads/{lead['id']}/touches", json={"channel": "call", "occurred_at": at})

    assert reply.status_code == 422
    assert [(error["pointer"], error["code"]) for error in reply.json()["errors"]] == [
        ("/occurred_at", "in_the_future")
    ]
    assert len((await client.get(f"/v1/leads/{lead['id']}/touches")).json()["items"]) == 1


@pytest.mark.parametrize("fields", [{"direction": "outbound", "by": "person"}, {"direction": "inbound", "by": "human"}])
async def test_a_touch_by_somebody_who_cannot_have_made_it_is_refused(
    client: httpx.AsyncClient, fields: dict[str, str]
) -> None:
    lead = await captured(client)
    reply = await client.post(f"/v1/leads/{lead['id']}/touches", json={"channel": "chat"} | fields)

    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/by")


async def test_a_touch_of_another_age_is_refused(client: httpx.AsyncClient) -> None:
    """Such as one whose Jalali date was sent as it stands."""
    lead = await captured(client)
    reply = await client.post(
        f"/v1/leads/{lead['id']}/touches", json={"channel": "call", "occurred_at": "1405-09-02T10:00:00+03:30"}
    )

    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, "too_early")


async def test_a_time_without_a_zone_is_refused(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    reply = await client.post(
        f"/v1/leads/{lead['id']}/touches", json={"channel": "call", "occurred_at": "2026-11-22T10:00:00"}
    )

    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (422, "timezone_aware")


async def test_a_recapture_while_the_clock_runs_leaves_it_as_it_is(client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    with moved(2 * MINUTE):
        again = await captured(client, phone="09990001234")

    assert again["response_due_at"] == lead["response_due_at"]


async def test_a_recapture_after_the_answer_starts_the_clock_anew(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    await touched(client, lead)
    with moved(60 * MINUTE):
        again = await captured(client, phone="09990001234")

    asked, due = (datetime.fromisoformat(again[name]) for name in ("question_asked_at", "response_due_at"))
    assert asked - datetime.fromisoformat(lead["captured_at"]) >= 60 * MINUTE
    assert due - asked == 5 * MINUTE
    [event] = await published(runtime, LeadRecaptured)
    assert event.response_due_at == due


@pytest.mark.parametrize(("minutes", "in_time"), [(3, True), (6, False)])
async def test_who_waits_for_an_answer_and_comes_in_is_answered(
    runtime: Runtime, client: httpx.AsyncClient, minutes: int, in_time: bool
) -> None:
    lead = await captured(client)
    with moved(minutes * MINUTE):
        await turn(runtime, "overdue responses")
        met = await captured(client, phone=lead["phone"], source="walk_in")
    with moved(60 * MINUTE):
        await turn(runtime, "overdue responses")

    assert (met["recaptured"], met["response_due_at"], met["overdue"]) == (True, None, False)
    assert (met["status"], met["funnel_stage"], met["answered_in_time"]) == ("working", "consideration", in_time)
    assert minutes * 60 <= met["response_s"] < minutes * 60 + 10
    [event] = await published(runtime, LeadTouched)
    assert (event.answers, event.in_time, event.channel, event.by) == (True, in_time, "visit", "person")
    assert event.question_asked_at == datetime.fromisoformat(lead["captured_at"])
    assert [each.response_due_at for each in await published(runtime, LeadRecaptured)] == [None]
    assert len(await published(runtime, LeadResponseOverdue)) == (0 if in_time else 1)


async def test_a_visit_that_is_recorded_by_hand_answers_as_a_walk_in_does(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    with moved(3 * MINUTE):
        touch = await touched(client, lead, direction="inbound", channel="visit")

    met = await read(client, lead)
    assert (touch["answers"], touch["in_time"], met["response_due_at"]) == (True, True, None)
    assert (met["status"], met["funnel_stage"]) == ("working", "consideration")


async def test_how_long_answers_take_is_told_of_those_who_waited(runtime: Runtime, client: httpx.AsyncClient) -> None:
    [median] = [each.query for each in SERVICE.measures if each.name == "peyvand_leads_answer_seconds"]
    async with runtime.db.connection() as connection:
        assert await connection.fetchval(median) == 0
        lead = await captured(client)
        for _ in range(3):
            await captured(client, source="walk_in")
        with moved(3 * MINUTE):
            await touched(client, lead)
        assert 180 <= await connection.fetchval(median) < 190


async def test_who_was_imported_and_comes_in_is_spoken_to_though_nothing_waited(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client, source="import")
    met = await captured(client, phone=lead["phone"], source="walk_in")

    assert (met["status"], met["funnel_stage"], met["answered_at"]) == ("working", "consideration", None)
    assert await published(runtime, LeadTouched) == []
    [stage] = await published(runtime, LeadStageChanged)
    assert (stage.after, stage.reason) == ("consideration", "walk_in")


async def test_the_first_answer_stays_the_first(client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    first = await touched(client, lead)
    await captured(client, phone="09990001234")
    with moved(10 * MINUTE):
        assert (await touched(client, lead))["in_time"] is False

    assert (await read(client, lead))["answered_at"] == first["recorded_at"]


async def test_a_reply_starts_the_clock_and_engages(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, direction="outbound")
    reply = reply_of(lead)
    await deliver(runtime, reply)

    asked = await read(client, lead)
    assert asked["funnel_stage"] == "consideration"
    assert asked["response_due_at"] is not None
    [event] = await published(runtime, LeadTouched)
    assert (event.direction, event.by, event.channel, event.answers) == ("inbound", "person", "sms", False)
    assert event.response_due_at == datetime.fromisoformat(asked["response_due_at"])


async def test_a_reply_delivered_while_a_question_waits_does_not_move_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    with moved(MINUTE):
        await deliver(runtime, reply_of(lead))

    assert (await read(client, lead))["response_due_at"] == lead["response_due_at"]


async def test_a_reply_that_is_a_number_answers_a_question_of_ours_and_asks_none(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client, direction="outbound")
    await deliver(runtime, reply_of(lead, number=2))

    assert (await read(client, lead))["response_due_at"] is None
    assert len((await client.get(f"/v1/leads/{lead['id']}/touches")).json()["items"]) == 2


async def test_a_reply_belongs_to_the_newest_of_several_open_leads(runtime: Runtime, client: httpx.AsyncClient) -> None:
    older = await captured(client, phone="09990001234", product="crm")
    newer = await captured(client, phone="09990001234", product="club")
    await deliver(runtime, reply_of(older))

    assert [str(event.lead_id) for event in await published(runtime, LeadTouched)] == [newer["id"]]


async def test_a_reply_of_somebody_without_an_open_lead_is_not_ours(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    await done(client, lead, "disqualify", reason="timing")
    await deliver(
        runtime, reply_of(lead), ReplyReceived(reply_id=new_id(), person_id=UUID(int=9), occurred_at=utcnow())
    )

    assert await published(runtime, LeadTouched) == []


async def test_a_missed_call_asks_and_one_that_was_taken_or_a_visit_does_not(client: httpx.AsyncClient) -> None:
    lead = await captured(client, direction="outbound")

    for channel in ("call", "visit"):
        await touched(client, lead, direction="inbound", channel=channel)
        assert (await read(client, lead))["response_due_at"] is None
    await touched(client, lead, direction="inbound", channel="call", reached=False)
    assert (await read(client, lead))["response_due_at"] is not None


async def test_a_closed_lead_waits_for_nothing(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    closed = await done(client, lead, "disqualify", reason="price")

    assert (closed["question_asked_at"], closed["response_due_at"]) == (None, None)
    touch = await touched(client, lead, direction="inbound", channel="chat")
    assert touch["asks"]
    assert (await read(client, lead))["response_due_at"] is None


async def test_a_reopened_lead_that_was_never_answered_waits_anew(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    await done(client, lead, "disqualify", reason="price")
    with moved(60 * MINUTE):
        reopened = await done(client, lead, "reopen")

    assert reopened["response_due_at"] > lead["response_due_at"]
    assert reopened["status"] == "new"


async def test_a_reopened_lead_that_we_had_found_ourselves_does_not_wait(client: httpx.AsyncClient) -> None:
    lead = await captured(client, direction="outbound")
    await done(client, lead, "disqualify", reason="price")

    reopened = await done(client, lead, "reopen")
    assert (reopened["response_due_at"], reopened["status"]) == (None, "new")


async def test_a_reopened_lead_that_was_answered_does_not_wait(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    await touched(client, lead)
    await done(client, lead, "disqualify", reason="price")

    reopened = await done(client, lead, "reopen")
    assert (reopened["response_due_at"], reopened["status"], reopened["reason"]) == (None, "working", None)
