"""Somebody is erased as a customer and comes anew before this service has heard of it: they are a stranger."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.leads.agents.assignment import take_turn
from shared.clock import moved, utcnow
from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerErased
from shared.contracts.leads import LeadCaptured, LeadConverted, LeadMerged, LeadResponseOverdue, LeadTouched
from shared.contracts.messaging import ReplyReceived
from shared.service import Runtime
from tests.leads.story import agent, captured, count, done, person_of, read, touched
from tests.support.events import deliver, published, published_cards, turn
from tests.support.restores import copy_of_database

SARA = UUID(int=0x5A7A)
PHONE, SECOND_PHONE = "+989990001234", "+989990005678"
CARD = ContactCard(person_id=SARA, kind="customer", phones=(SECOND_PHONE, PHONE), emails=("sara@example.com",))


@pytest.fixture
async def erasure(runtime: Runtime) -> CustomerErased:
    """Return the erasure of a customer who is still known here."""
    await deliver(runtime, CARD)
    return CustomerErased(person_id=SARA, occurred_at=utcnow())


async def comes_anew(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    lead = await captured(client, **{"phone": "۰۹۹۹۰۰۰۱۲۳۴", "first_name": "ثریا"} | fields)
    assert lead["person_id"] == str(SARA)
    return lead


async def lead_of_stranger(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    """Return the one lead of somebody who has a number."""
    items = (await client.get("/v1/leads", params=query)).json()["items"]
    [lead] = [item for item in items if item["phone"] or item["email"]]
    assert lead["person_id"] != str(SARA)
    found: dict[str, Any] = lead
    return found


async def ids_of_stranger(runtime: Runtime) -> list[tuple[UUID, ...]]:
    """Return the ids of the person, the lead and each touch of whoever is no customer."""
    statement = """
    SELECT lead.person_id, lead.id, touch.id FROM leads AS lead JOIN touches AS touch ON touch.lead_id = lead.id
    WHERE lead.person_id <> $1 ORDER BY touch.recorded_at
    """
    async with runtime.db.connection() as connection:
        return [tuple(row) for row in await connection.fetch(statement, SARA)]


async def test_their_lead_is_a_strangers_with_its_clock_and_what_they_told(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    owner = await agent(client)
    before = await comes_anew(client, note="پلاک ۱۲", product="crm", campaign="spring")
    await deliver(runtime, erasure, erasure)
    after = await lead_of_stranger(client)

    same = ("captured_at", "response_due_at", "product", "campaign", "agent_id", "note", "status")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["first_name"], after["phone"], after["kind"]) == ("ثریا", PHONE, "new")
    assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 1
    assert (await published_cards(runtime))[person_of(after)] is not None


async def test_they_wait_for_an_answer_and_it_falls_due(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    await comes_anew(client)
    await deliver(runtime, erasure)
    with moved(timedelta(hours=1)):
        await turn(runtime, "overdue responses")

    after = await lead_of_stranger(client)
    assert [str(event.lead_id) for event in await published(runtime, LeadResponseOverdue)] == [after["id"]]


async def test_the_lead_that_was_taken_for_theirs_counts_no_more_and_tells_of_nobody(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    before = await comes_anew(client, note="پلاک ۱۲")
    await deliver(runtime, erasure)

    gone = await read(client, before)
    assert (gone["status"], gone["note"], gone["phone"], gone["merged_into"]) == ("disqualified", None, None, None)
    [merged] = await published(runtime, LeadMerged)
    assert (str(merged.lead_id), merged.into_lead_id) == (before["id"], None)
    assert len(await published(runtime, LeadCaptured)) == 2
    assert await count(runtime, f"tellings WHERE person_id = '{SARA}'") == 0


async def test_a_recapture_of_the_erased_persons_lead_is_a_lead_of_its_own(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, CARD)
    old = await comes_anew(client, note="پلاک ۱۲")
    erasure = CustomerErased(person_id=SARA, occurred_at=utcnow())
    again = await comes_anew(client, first_name="سارا", email="new@example.org", note="طبقهٔ سوم")
    assert again["id"] == old["id"]
    await deliver(runtime, erasure)

    after = await lead_of_stranger(client)
    assert (after["first_name"], after["email"], after["note"]) == ("سارا", "new@example.org", "طبقهٔ سوم")
    assert (await read(client, old))["reason"] == "other"
    assert await published(runtime, LeadMerged) == []


async def test_several_captures_of_one_newcomer_are_one_lead_each_product(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    for product in ("crm", "crm", "club"):
        await comes_anew(client, product=product)
    await deliver(runtime, erasure)

    found = [await lead_of_stranger(client, product=product) for product in ("crm", "club")]
    assert [lead["recaptures"] for lead in found] == [1, 0]
    assert len({lead["person_id"] for lead in found}) == 1


async def test_what_was_done_for_them_meanwhile_is_done(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    owner = await agent(client)
    before = await comes_anew(client)
    await touched(client, before, note="قرار شد فردا")
    await done(client, before, "convert")
    await deliver(runtime, erasure)

    after = await lead_of_stranger(client)
    assert (after["status"], after["answered_in_time"]) == ("converted", True)
    assert str((await published(runtime, LeadConverted))[-1].person_id) == after["person_id"]
    assert [str(event.lead_id) for event in await published(runtime, LeadTouched)] == [before["id"], after["id"]]
    assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 0


async def test_a_reply_that_is_told_again_for_them_is_one_touch_of_theirs(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    await comes_anew(client)
    reply_id, at = UUID(int=0x4E), utcnow()
    await deliver(runtime, ReplyReceived(reply_id=reply_id, person_id=SARA, occurred_at=at))
    await deliver(runtime, erasure)
    after = await lead_of_stranger(client)
    await deliver(runtime, ReplyReceived(reply_id=reply_id, person_id=person_of(after), occurred_at=at))

    assert await count(runtime, f"touches WHERE lead_id = '{after['id']}' AND kind = 'reply'") == 1
    assert await count(runtime, "parked") == 0


async def test_a_reply_that_is_told_again_for_somebody_who_was_no_newcomer_is_taken_once(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, CARD)
    sara, other = await captured(client, phone=PHONE), await captured(client)
    await touched(client, other)
    reply_id, at = UUID(int=0x4E), utcnow()
    await deliver(runtime, ReplyReceived(reply_id=reply_id, person_id=person_of(sara), occurred_at=at))
    await deliver(runtime, CustomerErased(person_id=SARA, occurred_at=at))
    for _ in range(2):
        await deliver(runtime, ReplyReceived(reply_id=reply_id, person_id=person_of(other), occurred_at=at))

    assert await count(runtime, f"touches WHERE lead_id = '{other['id']}' AND kind = 'reply'") == 1
    assert (await read(client, other))["response_due_at"] is not None
    assert await count(runtime, "parked") == 0


async def test_nobody_waits_for_the_agents_turn_to_take_them_in_and_the_clock_assigns_their_lead(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    await comes_anew(client)
    owner = await agent(client)
    async with runtime.db.transaction() as other, asyncio.timeout(10):
        await take_turn(other)
        await deliver(runtime, erasure)
    assert (await lead_of_stranger(client))["agent_id"] is None

    await turn(runtime, "waiting leads")
    assert (await lead_of_stranger(client))["agent_id"] == owner


async def test_leads_that_are_one_for_a_stranger_are_qualified_once(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    for renamed in ("club", "sms"):
        lead = await comes_anew(client, product="crm")
        await done(client, lead, "qualify")
        await client.patch(f"/v1/leads/{lead['id']}", json={"product": renamed})
    await deliver(runtime, erasure)

    after = await lead_of_stranger(client)
    assert (after["status"], after["recaptures"]) == ("qualified", 1)


async def test_whoever_hears_of_the_erasure_again_after_a_restore_knows_them_by_the_same_ids(
    runtime: Runtime, client: httpx.AsyncClient, erasure: CustomerErased
) -> None:
    before = await comes_anew(client)
    await touched(client, before)
    ids = []
    async with copy_of_database(runtime.db.url) as copy:
        for _ in range(2):
            await copy.restore()
            await runtime.db.engine.dispose()
            await deliver(runtime, erasure)
            ids.append(await ids_of_stranger(runtime))

    first, again = ids
    assert again == first
    assert len(first) == 2


async def test_whoever_came_before_the_erasure_is_erased_with_what_they_told(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await deliver(runtime, CARD)
    await comes_anew(client)
    await deliver(runtime, CustomerErased(person_id=SARA, occurred_at=utcnow()))

    items = (await client.get("/v1/leads")).json()["items"]
    assert [(lead["status"], lead["phone"]) for lead in items] == [("disqualified", None)]
    assert await count(runtime, "tellings") == 0


async def test_what_was_told_is_forgotten_after_a_week(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(runtime, CARD)
    await comes_anew(client)
    with moved(timedelta(days=6)):
        assert await turn(runtime, "old tellings") == 0
    with moved(timedelta(days=8)):
        assert await turn(runtime, "old tellings") == 1
