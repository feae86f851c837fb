"""Two persons with open leads turn out to be one: their leads go on as one, as if the later had been a recapture."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.leads.app import SERVICE
from services.leads.persons.identity import hold_person
from services.leads.persons.merging import merge_persons
from shared.clock import moved
from shared.contracts.leads import LeadMerged, LeadQualified, LeadResponseOverdue, LeadTouched
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.leads.story import agent, captured, done, person_of, read, touched
from tests.leads.test_customers import merged
from tests.leads.test_strangers import waits_for_lock
from tests.support import api
from tests.support.events import deliver, published, turn
from tests.support.eventually import eventually

MINUTE = timedelta(minutes=1)


async def two_leads(client: httpx.AsyncClient, **later: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Capture two strangers who want the same, the second an hour after the first."""
    first = await captured(client, product="crm")
    with moved(timedelta(hours=1)):
        second = await captured(client, product="crm", **later)
    return first, second


def same(first: dict[str, Any], second: dict[str, Any]) -> Any:
    return merged(person_of(second), person_of(first))


async def touches_of(client: httpx.AsyncClient, lead: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/leads/{lead['id']}/touches")).json()["items"]
    return items


@pytest.mark.parametrize("later_lives_on", [False, True])
async def test_the_lead_captured_first_goes_on_whoever_lives_on(
    runtime: Runtime, client: httpx.AsyncClient, later_lives_on: bool
) -> None:
    first, second = await two_leads(client)
    merge = same(second, first) if later_lives_on else same(first, second)
    await deliver(runtime, merge, merge)

    kept, gone = await read(client, first), await read(client, second)
    assert (kept["status"], kept["recaptures"], kept["merged_into"]) == ("new", 1, None)
    assert (gone["status"], gone["merged_into"], gone["response_due_at"]) == ("disqualified", first["id"], None)
    assert [(str(e.lead_id), str(e.into_lead_id)) for e in await published(runtime, LeadMerged)] == [
        (second["id"], first["id"])
    ]


async def test_whoever_came_again_before_the_merge_came_as_often_after_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first, second = await two_leads(client)
    await captured(client, phone=second["phone"], product="crm")
    await deliver(runtime, same(first, second))

    assert (await read(client, first))["recaptures"] == 2


@pytest.mark.parametrize("after", [2, 90])
async def test_what_was_said_to_the_later_lead_answers_what_the_earlier_had_asked(
    runtime: Runtime, client: httpx.AsyncClient, after: int
) -> None:
    """Captured at 0 and, with another number, after a minute; called so many minutes after the first, as the second."""
    first = await captured(client, product="crm")
    with moved(MINUTE):
        second = await captured(client, product="crm")
    with moved(after * MINUTE):
        touch = await touched(client, second)
        await touched(client, second, channel="sms")
        await deliver(runtime, same(first, second))
        await turn(runtime, "overdue responses")

    kept, [_, _, answer, _] = await read(client, first), await touches_of(client, first)
    assert (kept["status"], kept["funnel_stage"], kept["response_due_at"]) == ("working", "consideration", None)
    assert (kept["answered_at"], kept["answered_in_time"]) == (touch["recorded_at"], after < 5)
    assert after * 60 <= kept["response_s"] < after * 60 + 10
    assert (answer["id"], answer["answers"], answer["response_s"]) == (touch["id"], True, kept["response_s"])
    assert await published(runtime, LeadResponseOverdue) == []
    theirs, _, ours = await published(runtime, LeadTouched)
    assert (ours.lead_id, ours.question_asked_at) == (UUID(first["id"]), datetime.fromisoformat(first["captured_at"]))
    assert (ours.answers, ours.in_time, ours.response_s) == (True, after < 5, kept["response_s"])
    assert (theirs.lead_id, theirs.touch_id == ours.touch_id) == (UUID(second["id"]), False)


async def test_what_was_said_to_the_earlier_lead_answers_what_the_later_had_asked(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """The earlier had been found by us, so that nothing of it waited when it was called."""
    first = await captured(client, product="crm", direction="outbound")
    with moved(MINUTE):
        second = await captured(client, product="crm")
    with moved(3 * MINUTE):
        touch = await touched(client, first)
        await deliver(runtime, same(first, second))

    kept = await read(client, first)
    assert (touch["answers"], kept["response_due_at"], kept["answered_at"]) == (False, None, touch["recorded_at"])
    assert (kept["funnel_stage"], kept["answered_in_time"]) == ("consideration", True)
    assert 120 <= kept["response_s"] < 130


@pytest.mark.parametrize(
    "touch",
    [
        pytest.param({"by": "automatic"}, id="acknowledged"),
        pytest.param({"direction": "inbound", "channel": "chat"}, id="written to us"),
    ],
)
async def test_what_answers_nothing_answers_nothing_after_the_merge(
    runtime: Runtime, client: httpx.AsyncClient, touch: dict[str, str]
) -> None:
    first, second = await two_leads(client, source="event")
    with moved(timedelta(hours=2)):
        await touched(client, second, **touch)
    await deliver(runtime, same(first, second))

    assert (await read(client, first))["response_due_at"] == first["response_due_at"]


async def test_a_question_is_not_answered_by_what_was_said_before_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first = await captured(client, product="crm", direction="outbound")
    second = await captured(client, product="crm")
    said = await touched(client, second)
    with moved(MINUTE):
        await captured(client, phone=first["phone"], product="crm")
        asked = await read(client, first)
        await deliver(runtime, same(first, second))

    kept = await read(client, first)
    assert kept["response_due_at"] == asked["response_due_at"] is not None
    assert (kept["answered_at"], kept["answered_in_time"]) == (said["recorded_at"], True)


async def test_an_answer_to_an_earlier_question_settles_the_later_one_and_stays_what_it_was(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first = await captured(client, product="crm")
    with moved(MINUTE):
        second = await captured(client, product="crm")
    with moved(2 * MINUTE):
        said = await touched(client, first)
        await deliver(runtime, same(first, second))

    [_, _, answer] = await touches_of(client, first)
    assert (await read(client, first))["response_due_at"] is None
    assert answer == said
    assert [str(event.lead_id) for event in await published(runtime, LeadTouched)] == [first["id"]]


async def test_a_visitor_s_later_lead_answers_the_earlier_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = await two_leads(client, source="walk_in")
    await deliver(runtime, same(first, second))

    kept = await read(client, first)
    assert (kept["response_due_at"], kept["answered_in_time"]) == (None, False)
    assert 3600 <= kept["response_s"] < 3610


async def test_where_calls_that_were_not_taken_answer_nothing_they_do_not_after_a_merge_either(
    make_runtime: MakeRuntime,
) -> None:
    runtime = await make_runtime(SERVICE, round_the_clock=True, unreached_attempt_answers=False)
    async with api.client(runtime) as client:
        first, second = await two_leads(client)
        with moved(timedelta(hours=2)):
            await touched(client, second, reached=False)
        await deliver(runtime, same(first, second))

        assert (await read(client, first))["response_due_at"] == first["response_due_at"]


async def test_touches_move_and_the_later_capture_is_a_recapture_with_its_note(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first, second = await two_leads(client, note="پس از ناهار زنگ بزنید")
    with moved(timedelta(hours=1)):
        await touched(client, second)
    await deliver(runtime, same(first, second))

    assert [(touch["kind"], touch["note"]) for touch in await touches_of(client, first)] == [
        ("capture", None), ("recapture", "پس از ناهار زنگ بزنید"), ("touch", None),
    ]  # fmt: skip
    assert await touches_of(client, second) == []


async def test_what_is_due_first_goes_on_waiting_and_is_answered_once(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first, second = await two_leads(client)
    await touched(client, first)
    await deliver(runtime, same(first, second))
    waiting = await read(client, first)
    with moved(timedelta(hours=2)):
        await turn(runtime, "overdue responses")

    assert waiting["response_due_at"] == second["response_due_at"]
    assert [str(event.lead_id) for event in await published(runtime, LeadResponseOverdue)] == [first["id"]]


async def test_of_two_that_wait_the_earlier_due_time_stands(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = await two_leads(client)
    await deliver(runtime, same(first, second))

    assert (await read(client, first))["response_due_at"] == first["response_due_at"]


async def test_one_that_was_told_to_be_overdue_is_not_told_again(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = await two_leads(client)
    with moved(timedelta(minutes=30)):
        await turn(runtime, "overdue responses")
    await deliver(runtime, same(first, second))
    with moved(timedelta(hours=2)):
        await turn(runtime, "overdue responses")

    assert [str(event.lead_id) for event in await published(runtime, LeadResponseOverdue)] == [first["id"]]


async def test_the_lead_is_as_far_as_the_further_of_the_two(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = await two_leads(client)
    await done(client, second, "qualify")
    await deliver(runtime, same(first, second))

    kept = await read(client, first)
    assert (kept["status"], kept["funnel_stage"]) == ("qualified", "decision")
    assert [str(event.lead_id) for event in await published(runtime, LeadQualified)] == [second["id"], first["id"]]


async def test_the_agents_counts_fall_by_the_lead_that_is_no_more(runtime: Runtime, client: httpx.AsyncClient) -> None:
    agents = [await agent(client), await agent(client)]
    first, second = await two_leads(client)
    await deliver(runtime, same(first, second))

    counts = {a: (await client.get(f"/v1/agents/{a}")).json()["open_leads"] for a in agents}
    assert counts == {first["agent_id"]: 1, second["agent_id"]: 0}


async def test_a_lead_without_an_agent_takes_that_of_the_other(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first = await captured(client)
    owner = await agent(client)
    second = await captured(client)
    await deliver(runtime, same(first, second))

    assert (await read(client, first))["agent_id"] == owner
    assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 1


async def test_leads_for_other_products_and_closed_ones_stay_their_own(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first, second = await captured(client, product="crm"), await captured(client, product="club")
    closed = await captured(client, product="crm")
    await done(client, closed, "disqualify", reason="price")
    await deliver(runtime, same(first, second), same(first, closed))

    assert [(await read(client, lead))["status"] for lead in (first, second, closed)] == ["new", "new", "disqualified"]
    assert await published(runtime, LeadMerged) == []


async def test_whoever_works_with_a_merged_lead_is_sent_to_the_one_that_goes_on(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first, second = await two_leads(client)
    await deliver(runtime, same(first, second))
    path = f"/v1/leads/{second['id']}"
    replies = [
        await client.post(f"{path}/touches", json={"channel": "call"}),
        *[await client.post(f"{path}/{step}") for step in ("qualify", "convert", "reopen")],
        await client.post(f"{path}/disqualify", json={"reason": "price"}),
        await client.patch(path, json={"note": "تماس"}),
    ]

    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(409, "lead_merged")}
    assert all(first["id"] in reply.json()["detail"] for reply in replies)
    assert (await read(client, first))["response_due_at"] == first["response_due_at"]


async def test_captures_during_the_merge_leave_one_open_lead(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first = await captured(client, phone="09990001111")
    second = await captured(client, phone="09990002222", product="club")
    await asyncio.gather(
        deliver(runtime, same(first, second)),
        *(client.post("/v1/leads", json={"phone": f"0999000{n}", "product": "crm"}) for n in (1111, 2222) * 4),
    )

    async with runtime.db.connection() as connection:
        slots = await connection.fetch("SELECT slot, count(*) FROM leads WHERE status = 'new' GROUP BY 1")
    assert {row["slot"]: row["count"] for row in slots} == {"": 1, "club": 1, "crm": 1}


async def test_whoever_waits_to_hold_a_person_who_is_being_merged_holds_who_lives_on(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lives, other = [person_of(await captured(client)) for _ in range(2)]
    holding, done_with = asyncio.Event(), asyncio.Event()

    async def hold(person_id: UUID) -> None:
        async with runtime.db.transaction() as tx:
            await hold_person(tx, person_id)
            holding.set()
            await done_with.wait()

    async with runtime.db.transaction() as tx:
        await merge_persons(tx, other, into=lives)
        first = asyncio.create_task(hold(other))
        await eventually(lambda: waits_for_lock(runtime))
    await holding.wait()
    holding.clear()
    second = asyncio.create_task(hold(lives))
    await eventually(lambda: waits_for_lock(runtime))
    assert not holding.is_set()

    done_with.set()
    await asyncio.gather(first, second)
