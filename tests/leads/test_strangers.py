from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from services.leads.agents.assignment import AHEAD
from services.leads.app import SERVICE
from shared import db, gathering
from shared.contracts.leads import LeadAssigned, LeadCaptured
from shared.db import driver
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.leads.story import agent, captured, count, number
from tests.leads.test_assignment import open_leads
from tests.support import api
from tests.support.events import published
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("patience")

Captures = list[asyncio.Task[httpx.Response]]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let captures wait for what is under way, however slow the machine is."""
    monkeypatch.setattr(gathering, "PATIENCE_S", 60)


def capturing(client: httpx.AsyncClient, *bodies: dict[str, Any], key: str = "") -> Captures:
    """Send captures at once, each with a key of its own, or with `key`."""
    return [
        asyncio.create_task(client.post("/v1/leads", json=body, headers={"Idempotency-Key": key or f"key-{number()}"}))
        for body in bodies
    ]


def strangers(many: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"phone": number(), **fields} for _ in range(many)]


@asynccontextmanager
async def agents_held(runtime: Runtime) -> AsyncIterator[None]:
    """Hold all agents, as whoever changes them does."""
    async with runtime.db.transaction() as other:
        await driver(other).execute("SELECT FROM agents FOR NO KEY UPDATE")
        yield


@asynccontextmanager
async def held_up(runtime: Runtime, client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Let a capture wait for an agent, and all that come within the block for that one."""
    async with agents_held(runtime):
        first = capturing(client, *strangers(1))
        await eventually(lambda: waits_for_lock(runtime))
        yield
    assert [(await each).status_code for each in first] == [201]


async def queued(runtime: Runtime, many: int) -> None:
    """Wait until so many captures wait for what is under way."""
    await eventually(lambda: len(runtime.resources.gatherer._waiting) == many)


async def waits_for_lock(runtime: Runtime) -> int:
    async with runtime.db.connection() as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )


async def transactions(runtime: Runtime) -> int:
    """Return in how many transactions the leads were written."""
    async with runtime.db.connection() as connection:
        return int(await connection.fetchval("SELECT count(DISTINCT xmin::text) FROM leads"))


async def test_a_hundred_strangers_at_once_over_two_processes_are_a_lead_each_and_shared_out_exactly(
    make_runtime: MakeRuntime, runtime: Runtime, client: httpx.AsyncClient
) -> None:
    agents = [await agent(client) for _ in range(5)]
    other = await make_runtime(SERVICE, round_the_clock=True, database_url=runtime.settings.database_url)
    async with api.client(other) as there:
        answers = await asyncio.gather(*capturing(client, *strangers(50)), *capturing(there, *strangers(50)))
    shares = await open_leads(client, *agents)

    assert Counter(answer.status_code for answer in answers) == {201: 100}
    assert [await count(runtime, table) for table in ("leads", "persons", "touches", "idempotency_keys")] == [100] * 4
    assert Counter(answer.json()["agent_id"] for answer in answers) == dict(zip(agents, shares, strict=True))
    assert len(await published(runtime, LeadCaptured)) == len(await published(runtime, LeadAssigned)) == 100
    assert max(shares) - min(shares) <= 2 * runtime.settings.pool_size + AHEAD


async def test_those_who_wait_at_the_same_time_share_a_transaction(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await agent(client)
    async with held_up(runtime, client):
        others = capturing(client, *strangers(20))
        await queued(runtime, 20)

    assert {answer.status_code for answer in await asyncio.gather(*others)} == {201}
    assert await transactions(runtime) == 1 + 2  # whom they waited for, and two halves


async def test_leads_of_one_gathering_are_shared_out_one_by_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    only = await agent(client)
    async with held_up(runtime, client):
        others = capturing(client, *strangers(8))
    await asyncio.gather(*others)
    agents = [only, *[await agent(client) for _ in range(3)]]
    await asyncio.gather(*capturing(client, *strangers(27)))

    assert await open_leads(client, *agents) == [9, 9, 9, 9]


async def test_those_for_whom_no_agent_is_free_wait_for_one_apart(runtime: Runtime, client: httpx.AsyncClient) -> None:
    agents = [await agent(client) for _ in range(3)]
    async with runtime.db.transaction() as other:
        await driver(other).execute("SELECT FROM agents WHERE id <> $1 FOR NO KEY UPDATE", agents[0])
        captures = capturing(client, *strangers(AHEAD + 3))
        await eventually(lambda: sum(each.done() for each in captures) == AHEAD + 1)
        await eventually(lambda: waits_for_lock(runtime))
    answers = await asyncio.gather(*captures)
    owners = Counter(answer.json()["agent_id"] for answer in answers)

    assert {answer.status_code for answer in answers} == {201}
    assert await open_leads(client, *agents) == [owners[each] for each in agents]


async def test_two_with_one_number_among_strangers_are_one_person(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await agent(client)
    same = number()
    async with held_up(runtime, client):
        twice = capturing(client, {"phone": same}, {"phone": same, "email": "sara@example.com"})
        others = capturing(client, *strangers(5))

    assert sorted(answer.status_code for answer in await asyncio.gather(*twice)) == [200, 201]
    assert {answer.status_code for answer in await asyncio.gather(*others)} == {201}
    assert await count(runtime, "persons") == 7


async def test_somebody_known_among_strangers_is_known(runtime: Runtime, client: httpx.AsyncClient) -> None:
    known = await captured(client, phone=number(), email="sara@example.com", product="crm")
    by_number, by_address, for_more, *others = await asyncio.gather(
        *capturing(
            client,
            {"phone": known["phone"], "product": "crm"},
            {"email": "SARA@example.com", "product": "crm"},
            {"phone": known["phone"], "product": "erp"},
            *strangers(5),
        )
    )

    assert [by_number.status_code, by_address.status_code, for_more.status_code] == [200, 200, 201]
    assert {each.json()["person_id"] for each in (by_number, by_address, for_more)} == {known["person_id"]}
    assert {answer.status_code for answer in others} == {201}
    assert await count(runtime, "persons") == 6


async def test_one_that_the_database_refuses_harms_no_other(runtime: Runtime, client: httpx.AsyncClient) -> None:
    only = await agent(client)
    async with runtime.db.connection() as connection:
        await connection.execute("ALTER TABLE leads ADD CONSTRAINT refused CHECK (campaign <> 'refused')")
    async with held_up(runtime, client):
        others = capturing(client, *strangers(4))
        (refused,) = capturing(client, *strangers(1, campaign="refused"))

    assert {answer.status_code for answer in await asyncio.gather(*others)} == {201}
    assert (await refused).status_code == 500
    assert await count(runtime, "leads") == 5
    assert await open_leads(client, only) == [5]


async def test_a_key_that_came_with_another_capture_harms_no_other(runtime: Runtime, client: httpx.AsyncClient) -> None:
    only = await agent(client)
    await asyncio.gather(*capturing(client, *strangers(1), key="form-1"))
    async with held_up(runtime, client):
        others = capturing(client, *strangers(4))
        (reused,) = capturing(client, *strangers(1), key="form-1")

    assert {answer.status_code for answer in await asyncio.gather(*others)} == {201}
    assert (await reused).json()["code"] == "idempotency_key_reused"
    assert await count(runtime, "leads") == 6
    assert await open_leads(client, only) == [6]


async def test_equal_keys_in_two_processes_have_one_effect_and_one_answer(
    make_runtime: MakeRuntime, runtime: Runtime, client: httpx.AsyncClient
) -> None:
    other = await make_runtime(SERVICE, round_the_clock=True, database_url=runtime.settings.database_url)
    bodies = strangers(20)
    async with api.client(other) as there:
        here = [task for place, body in enumerate(bodies) for task in capturing(client, body, key=f"form-{place}")]
        again = [
            task
            for place, body in reversed([*enumerate(bodies)])
            for task in capturing(there, body, key=f"form-{place}")
        ]
        answers = [await asyncio.gather(*pair) for pair in zip(here, reversed(again), strict=True)]

    assert all({one.status_code, two.status_code} == {201} for one, two in answers)
    assert all(one.content == two.content for one, two in answers)
    assert [await count(runtime, table) for table in ("leads", "touches")] == [20, 20]


async def test_a_request_that_is_cancelled_takes_no_other_with_it_and_leaves_counts_right(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    only = await agent(client)
    async with agents_held(runtime):
        (begun,) = capturing(client, *strangers(1))
        await eventually(lambda: waits_for_lock(runtime))
        waiting, *others = capturing(client, *strangers(4))
        await queued(runtime, 4)
        waiting.cancel()
        begun.cancel()
    answers = await asyncio.gather(begun, waiting, *others, return_exceptions=True)

    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, True, False, False, False]
    assert {answer.status_code for answer in answers if isinstance(answer, httpx.Response)} == {201}
    assert await count(runtime, "leads") == 4
    assert await open_leads(client, only) == [4]


async def test_a_server_lost_amid_a_gathering_leaves_nothing_of_it_and_those_who_wait_are_taken_in(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    only = await agent(client)
    async with agents_held(runtime):
        (lost,) = capturing(client, *strangers(1))
        await eventually(lambda: waits_for_lock(runtime))
        others = capturing(client, *strangers(3))
        await queued(runtime, 3)
        admin = await asyncpg.connect(runtime.settings.database_url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await admin.close()
        answer = await lost

    assert answer.status_code == 503
    assert {answer.status_code for answer in await asyncio.gather(*others)} == {201}
    assert await count(runtime, "leads") == 3
    assert await open_leads(client, only) == [3]


async def test_what_may_have_been_committed_is_not_done_again(
    runtime: Runtime, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = db._Transaction.commit

    async def commit_and_be_lost(self: db._Transaction) -> None:
        await committed(self)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    bodies = strangers(3)
    with monkeypatch.context() as patched:
        patched.setattr(db._Transaction, "commit", commit_and_be_lost)
        lost = await asyncio.gather(*(client.post("/v1/leads", json=body) for body in bodies))

    assert {answer.status_code for answer in lost} == {503}
    assert [await count(runtime, table) for table in ("leads", "touches")] == [3, 3]


async def test_events_of_one_gathering_name_the_request_that_each_comes_of(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(
        *(
            client.post("/v1/leads", json=body, headers={"X-Correlation-ID": f"visit-{place:04}"})
            for place, body in enumerate(strangers(10))
        )
    )

    async with runtime.db.connection() as connection:
        rows = await connection.fetch("SELECT subject, correlation_id FROM outbox WHERE type = 'lead.captured'")
    assert await transactions(runtime) < 10
    assert {str(row["subject"]): row["correlation_id"] for row in rows} == {
        answer.json()["id"]: f"visit-{place:04}" for place, answer in enumerate(answers)
    }
