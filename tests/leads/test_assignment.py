from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from services.leads.agents.assignment import AHEAD, choose_agent
from shared.clock import moved, utcnow
from shared.contracts.leads import LeadAssigned, LeadCaptured
from shared.service import Runtime
from tests.leads.story import agent, captured, done, number, read
from tests.support.events import published, turn


async def open_leads(client: httpx.AsyncClient, *agents: str) -> list[int]:
    """Return the open leads that the service says agents have."""
    return [int((await client.get(f"/v1/agents/{each}")).json()["open_leads"]) for each in agents]


async def test_a_lead_goes_to_whoever_has_the_fewest_open_ones(client: httpx.AsyncClient) -> None:
    busy, free = await agent(client), await agent(client, on_duty=False)
    for _ in range(3):
        await captured(client)
    await client.patch(f"/v1/agents/{free}", json={"on_duty": True})

    assert [(await captured(client))["agent_id"] for _ in range(3)] == [free, free, free]
    assert await open_leads(client, busy, free) == [3, 3]


async def test_shares_are_by_capacity(client: httpx.AsyncClient) -> None:
    whole, half = await agent(client, capacity=20), await agent(client, capacity=10)
    owners = Counter([(await captured(client))["agent_id"] for _ in range(30)])

    assert owners == {whole: 20, half: 10}


async def test_a_tie_goes_to_whoever_waited_longest(client: httpx.AsyncClient) -> None:
    first, second, third = [await agent(client) for _ in range(3)]
    leads = [await captured(client) for _ in range(3)]
    assert [lead["agent_id"] for lead in leads] == [first, second, third]
    for lead in reversed(leads):
        await done(client, lead, "disqualify", reason="other")

    assert [(await captured(client))["agent_id"] for _ in range(3)] == [first, second, third]


async def test_whoever_never_had_a_lead_has_waited_longest(client: httpx.AsyncClient) -> None:
    await agent(client)
    await done(client, await captured(client), "convert")
    newcomer = await agent(client)

    assert (await captured(client))["agent_id"] == newcomer


async def test_leads_that_come_at_once_are_shared_out_but_for_those_under_way_and_evened_out_by_the_next(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    agents = [await agent(client) for _ in range(4)]
    bodies = [{"phone": number()} for _ in range(80)]
    replies = await asyncio.gather(*(client.post("/v1/leads", json=body) for body in bodies))
    owners = Counter(reply.json()["agent_id"] for reply in replies)
    shares = await open_leads(client, *agents)

    assert shares == [owners[each] for each in agents]
    assert sum(shares) == len(await published(runtime, LeadAssigned)) == 80
    assert max(shares) - min(shares) <= runtime.settings.pool_size + AHEAD

    for _ in range(4 * max(shares) - 80):
        await captured(client)
    assert await open_leads(client, *agents) == [max(shares)] * 4


async def test_a_capture_does_not_wait_for_another_that_has_chosen(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first, second = [await agent(client) for _ in range(2)]
    async with runtime.db.transaction() as other:
        chosen = await choose_agent(other, at=utcnow())
        lead = await asyncio.wait_for(captured(client), 5)

    assert [str(chosen), lead["agent_id"]] == [first, second]


async def test_whom_no_other_capture_is_choosing_gets_no_more_leads_than_those_who_are_being_chosen_can_catch_up(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    agents = [await agent(client) for _ in range(3)]
    async with runtime.db.transaction() as one, runtime.db.transaction() as two:
        held = {str(await choose_agent(each, at=utcnow())) for each in (one, two)}
        (free,) = set(agents) - held
        assert [(await captured(client))["agent_id"] for _ in range(AHEAD + 1)] == [free] * (AHEAD + 1)
        capture = asyncio.create_task(captured(client))
        done, _ = await asyncio.wait([capture], timeout=0.2)
        assert not done

    assert (await capture)["agent_id"] in held
    assert sum(await open_leads(client, *agents)) == AHEAD + 4


async def test_a_capture_waits_for_the_only_agent_and_counts_on(runtime: Runtime, client: httpx.AsyncClient) -> None:
    only = await agent(client)
    async with runtime.db.transaction() as other:
        await choose_agent(other, at=utcnow())
        capture = asyncio.create_task(captured(client))
        done, _ = await asyncio.wait([capture], timeout=0.2)
        assert not done

    assert (await capture)["agent_id"] == only
    assert await open_leads(client, only) == [2]


async def test_counts_are_right_after_leads_were_closed_and_captured_at_once(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    agents = [await agent(client) for _ in range(3)]
    leads = [await captured(client) for _ in range(30)]
    closing = [client.post(f"/v1/leads/{lead['id']}/convert") for lead in leads[:20]]
    coming = [client.post("/v1/leads", json={"phone": number()}) for _ in range(20)]
    replies = await asyncio.gather(*closing, *coming)

    assert Counter(reply.status_code for reply in replies) == {200: 20, 201: 20}
    async with runtime.db.connection() as connection:
        rows = await connection.fetch(
            "SELECT agent_id, count(*) FROM leads WHERE status <> 'converted' GROUP BY agent_id"
        )
    counted = {str(agent_id): count for agent_id, count in rows}
    assert sum(counted.values()) == 30
    assert await open_leads(client, *agents) == [counted[each] for each in agents]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_happens_to_leads_the_counts_are_those_of_the_leads(
    runtime: Runtime, client: httpx.AsyncClient, seed: int
) -> None:
    chance = random.Random(seed)
    agents = [await agent(client, capacity=chance.randint(1, 9)) for _ in range(3)]
    leads = [await captured(client) for _ in range(6)]
    for _ in range(60):
        lead, one = chance.choice(leads)["id"], chance.choice(agents)
        match chance.choice(
            ("capture", "convert", "disqualify", "reopen", "hand over", "duty", "leave", "assign", "erase")
        ):
            case "capture":
                leads.append(await captured(client))
            case "convert" | "reopen" as step:
                await client.post(f"/v1/leads/{lead}/{step}")
            case "disqualify":
                await client.post(f"/v1/leads/{lead}/disqualify", json={"reason": "other"})
            case "hand over":
                await client.patch(f"/v1/leads/{lead}", json={"agent_id": one})
            case "duty":
                await client.patch(f"/v1/agents/{one}", json={"on_duty": chance.random() < 0.7})
            case "leave":
                await client.patch(f"/v1/agents/{one}", json={"active": chance.random() < 0.7})
            case "assign":
                await turn(runtime, "waiting leads")
            case "erase":
                await client.delete(f"/v1/leads/{lead}")

    async with runtime.db.connection() as connection:
        counted = await connection.fetch(
            "SELECT agent_id, count(*) FROM leads WHERE status IN ('new', 'working', 'qualified') GROUP BY agent_id"
        )
    expected = {str(agent_id): number for agent_id, number in counted}
    assert await open_leads(client, *agents) == [expected.get(each, 0) for each in agents]


async def test_managers_and_those_off_duty_or_gone_get_nothing(client: httpx.AsyncClient) -> None:
    await agent(client, role="manager")
    await agent(client, on_duty=False)
    await agent(client, active=False)

    assert (await captured(client))["agent_id"] is None


async def test_leads_that_came_while_nobody_was_on_duty_are_assigned_when_somebody_is(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    waiting = [await captured(client) for _ in range(4)]
    assert await turn(runtime, "waiting leads") == 0
    agents = [await agent(client) for _ in range(2)]

    assert await turn(runtime, "waiting leads") == 4
    assert [(await read(client, lead))["agent_id"] for lead in waiting] == [*agents, *agents]
    assert await open_leads(client, *agents) == [2, 2]


async def test_the_open_leads_of_an_agent_who_left_go_to_the_others(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    leaver = await agent(client)
    leads = [await captured(client) for _ in range(3)]
    await done(client, leads[0], "convert")
    stayer = await agent(client)
    await client.patch(f"/v1/agents/{leaver}", json={"active": False})

    assert await turn(runtime, "waiting leads") == 2
    assert [(await read(client, lead))["agent_id"] for lead in leads] == [leaver, stayer, stayer]
    assert await open_leads(client, leaver, stayer) == [0, 2]


async def test_several_workers_assign_each_waiting_lead_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    for _ in range(20):
        await captured(client)
    agents = [await agent(client) for _ in range(2)]
    await asyncio.gather(*(turn(runtime, "waiting leads") for _ in range(4)))

    assert await open_leads(client, *agents) == [10, 10]
    assert len(await published(runtime, LeadAssigned)) == 20


async def test_a_lead_handed_over_by_hand_counts_for_who_has_it_now(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first = await agent(client)
    lead = await captured(client)
    second = await agent(client)
    changed = await client.patch(f"/v1/leads/{lead['id']}", json={"agent_id": second})

    assert (changed.status_code, changed.json()["agent_id"]) == (200, second)
    assert await open_leads(client, first, second) == [0, 1]
    assert (await published(runtime, LeadAssigned))[-1].previous_agent_id == UUID(first)


async def test_a_closed_lead_that_is_handed_over_counts_for_nobody(client: httpx.AsyncClient) -> None:
    first = await agent(client)
    lead = await captured(client)
    await done(client, lead, "convert")
    second = await agent(client)
    changed = await client.patch(f"/v1/leads/{lead['id']}", json={"agent_id": second})

    assert changed.json()["agent_id"] == second
    assert await open_leads(client, first, second) == [0, 0]


async def test_a_lead_is_not_handed_to_somebody_unknown_or_gone(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    for nobody in (str(UUID(int=5)), await agent(client, active=False)):
        reply = await client.patch(f"/v1/leads/{lead['id']}", json={"agent_id": nobody})

        assert reply.status_code == 422
        assert reply.json()["errors"][0]["pointer"] == "/agent_id"


async def test_a_reopened_lead_counts_again(client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    lead = await captured(client)
    await done(client, lead, "disqualify", reason="timing")
    assert await open_leads(client, owner) == [0]
    await done(client, lead, "reopen")

    assert await open_leads(client, owner) == [1]


async def test_agents_are_reassigned_and_leads_closed_at_once_without_a_deadlock(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    agents = [await agent(client) for _ in range(3)]
    leads = [await captured(client) for _ in range(30)]
    with moved(timedelta(minutes=6)):
        await asyncio.gather(
            *(turn(runtime, "overdue responses") for _ in range(2)),
            *(client.post(f"/v1/leads/{lead['id']}/disqualify", json={"reason": "other"}) for lead in leads[::2]),
            *(client.post("/v1/leads", json={"phone": number()}) for _ in range(10)),
        )

    assert sum(await open_leads(client, *agents)) == 25


async def test_the_captured_event_names_the_agent(runtime: Runtime, client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    await captured(client)

    assert [event.agent_id for event in await published(runtime, LeadCaptured)] == [UUID(owner)]
