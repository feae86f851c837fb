"""`lead.response_overdue`: on time, once a question, with any number of workers, also after a restart."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from services.leads.app import SERVICE
from services.leads.leads.overdue import publish_overdue
from shared.clock import moved, utcnow
from shared.contracts.leads import LeadAssigned, LeadResponseOverdue
from shared.runtime import open_runtime
from shared.service import Runtime
from shared.worker import Worker
from tests.conftest import MakeRuntime
from tests.leads.story import agent, captured, done, read, touched
from tests.support import api
from tests.support.events import published, turn
from tests.support.eventually import eventually

CLOCK = "overdue responses"
MINUTE = timedelta(minutes=1)


async def test_a_question_that_waits_is_overdue_at_its_due_time_and_not_before(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    with moved(timedelta(minutes=4, seconds=50)):
        assert await turn(runtime, CLOCK) == 0
    with moved(5 * MINUTE):
        assert await turn(runtime, CLOCK) == 1

    [event] = await published(runtime, LeadResponseOverdue)
    due = datetime.fromisoformat(lead["response_due_at"])
    assert (event.due_at, event.occurred_at, str(event.lead_id)) == (due, due, lead["id"])
    assert (await read(client, lead))["overdue"]


async def test_a_question_is_overdue_from_its_due_time_on(runtime: Runtime, client: httpx.AsyncClient) -> None:
    due = datetime.fromisoformat((await captured(client))["response_due_at"])
    found = []
    for at in (due - timedelta(microseconds=1), due):
        async with runtime.db.transaction() as tx:
            found.append(await publish_overdue(tx, at=at, reassign=False))

    assert found == [0, 1]


async def test_its_owner_and_their_manager_are_named(runtime: Runtime, client: httpx.AsyncClient) -> None:
    manager = await agent(client, role="manager")
    owner = await agent(client, manager_id=manager)
    await captured(client)
    with moved(5 * MINUTE):
        await turn(runtime, CLOCK)

    [event] = await published(runtime, LeadResponseOverdue)
    assert (event.agent_id, event.manager_id) == (UUID(owner), UUID(manager))


async def test_who_has_left_is_not_told(runtime: Runtime, client: httpx.AsyncClient) -> None:
    manager, gone = await agent(client, role="manager"), await agent(client, role="manager")
    left, still_here = await agent(client, manager_id=manager), await agent(client, manager_id=gone)
    leads = [await captured(client) for _ in range(2)]
    for staff in (left, gone):
        assert (await client.patch(f"/v1/agents/{staff}", json={"active": False})).status_code == 200
    with moved(5 * MINUTE):
        await turn(runtime, CLOCK)

    told = {
        str(event.lead_id): (event.agent_id, event.manager_id)
        for event in await published(runtime, LeadResponseOverdue)
    }
    owned = {lead["agent_id"]: told[lead["id"]] for lead in leads}
    assert owned == {left: (None, UUID(manager)), still_here: (UUID(still_here), None)}


async def test_a_question_is_overdue_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await captured(client)
    for minutes in (5, 6, 600):
        with moved(minutes * MINUTE):
            await turn(runtime, CLOCK)

    assert len(await published(runtime, LeadResponseOverdue)) == 1


async def test_each_question_can_be_overdue(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    with moved(6 * MINUTE):
        await turn(runtime, CLOCK)
        await touched(client, lead)
        assert not (await read(client, lead))["overdue"]
        await captured(client, phone="09990001234")
    with moved(12 * MINUTE):
        await turn(runtime, CLOCK)

    assert len(await published(runtime, LeadResponseOverdue)) == 2


async def test_what_was_answered_or_closed_in_time_is_not_overdue(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await touched(client, await captured(client))
    await done(client, await captured(client), "disqualify", reason="other")
    await done(client, await captured(client), "convert")
    with moved(60 * MINUTE):
        assert await turn(runtime, CLOCK) == 0


async def test_two_workers_publish_each_question_once(runtime: Runtime, client: httpx.AsyncClient) -> None:
    for _ in range(40):
        await captured(client)
    with moved(5 * MINUTE):
        done_by = await asyncio.gather(*(turn(runtime, CLOCK) for _ in range(4)))

    assert sum(done_by) == 40
    events = await published(runtime, LeadResponseOverdue)
    assert (len(events), len({event.lead_id for event in events})) == (40, 40)


async def test_a_worker_publishes_within_two_seconds_of_the_due_time(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    due = datetime.fromisoformat(lead["response_due_at"])
    stop = asyncio.Event()
    with moved(due - utcnow() - timedelta(seconds=1)):
        async with asyncio.TaskGroup() as group:
            group.create_task(Worker(runtime).run(stop))
            await eventually(lambda: _overdue(client, lead["id"]), within=10)
            stop.set()

    async with runtime.db.connection() as connection:
        late = await connection.fetchval("SELECT overdue_at FROM leads") - due
    assert timedelta() <= late < timedelta(seconds=2)


async def test_what_fell_due_while_nothing_ran_is_published_after_the_restart(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    with moved(120 * MINUTE):
        async with open_runtime(SERVICE, runtime.settings) as restarted:
            assert await turn(restarted, CLOCK) == 1

    [event] = await published(runtime, LeadResponseOverdue)
    assert event.due_at == datetime.fromisoformat(lead["response_due_at"])


async def test_an_overdue_lead_goes_to_another_agent_on_duty(runtime: Runtime, client: httpx.AsyncClient) -> None:
    first = await agent(client)
    lead = await captured(client)
    second = await agent(client)
    with moved(5 * MINUTE):
        await turn(runtime, CLOCK)

    assert (await read(client, lead))["agent_id"] == second
    moves = [(event.previous_agent_id, event.agent_id) for event in await published(runtime, LeadAssigned)]
    assert moves == [(None, UUID(first)), (UUID(first), UUID(second))]
    assert [await _open_leads(client, each) for each in (first, second)] == [0, 1]


async def test_an_overdue_lead_stays_where_nobody_else_is_on_duty(runtime: Runtime, client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    lead = await captured(client)
    await agent(client, on_duty=False)
    with moved(5 * MINUTE):
        await turn(runtime, CLOCK)

    assert (await read(client, lead))["agent_id"] == owner
    assert len(await published(runtime, LeadAssigned)) == 1


@pytest.mark.parametrize("turns", [1, 3])
async def test_where_a_deployment_says_so_an_overdue_lead_keeps_its_agent(
    make_runtime: MakeRuntime, turns: int
) -> None:
    runtime = await make_runtime(SERVICE, round_the_clock=True, reassign_overdue=False)
    async with api.client(runtime) as client:
        owner = await agent(client)
        lead = await captured(client)
        await agent(client)
        with moved(5 * MINUTE):
            for _ in range(turns):
                await turn(runtime, CLOCK)
        assert (await read(client, lead))["agent_id"] == owner


async def _overdue(client: httpx.AsyncClient, lead_id: str) -> bool:
    return bool((await client.get(f"/v1/leads/{lead_id}")).json()["overdue"])


async def _open_leads(client: httpx.AsyncClient, agent_id: str) -> int:
    return int((await client.get(f"/v1/agents/{agent_id}")).json()["open_leads"])
