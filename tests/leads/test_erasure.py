from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx

from shared.clock import utcnow
from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.contracts.leads import LeadDisqualified, LeadErased
from shared.service import Runtime
from tests.leads.story import agent, captured, count, person_of, read, touched
from tests.support.events import deliver, published, published_cards

PERSONAL = {
    "first_name": "سارا", "last_name": "نمونه", "phone": "09990001234", "email": "sara@example.com", "city": "شیراز",
    "note": "پلاک ۱۲",
}  # fmt: skip


async def personal_data(runtime: Runtime, lead: dict[str, Any]) -> list[object]:
    """Return whatever the database still holds of the person behind a lead."""
    async with runtime.db.connection() as connection:
        person = await connection.fetchrow("SELECT * FROM persons WHERE id = $1", person_of(lead))
        notes = await connection.fetch(
            "SELECT note FROM leads UNION ALL SELECT note FROM touches UNION ALL"
            " SELECT convert_from(body, 'UTF8') FROM idempotency_keys"
        )
    assert person is not None
    kept = {"id", "name_folded", "phone_shared", "accepts_promotional", "identifies", "erased_at", "created_at"}
    held = [value for name, value in person.items() if name not in kept] + [note["note"] for note in notes]
    return [value for value in [*held, person["name_folded"]] if value]


async def test_a_lead_s_person_is_erased_and_the_counts_stay(runtime: Runtime, client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    reply = await client.post("/v1/leads", json=PERSONAL, headers={"Idempotency-Key": "form-7"})
    lead = reply.json()
    await touched(client, lead, note="گفت پلاک ۱۲")
    deleted = await client.delete(f"/v1/leads/{lead['id']}")

    assert deleted.status_code == 204
    assert await personal_data(runtime, lead) == []
    assert [event.person_id for event in await published(runtime, LeadErased)] == [person_of(lead)]
    assert (await published_cards(runtime))[person_of(lead)] is None
    assert await count(runtime, "touches") == 2
    assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 0


async def test_the_stored_answer_of_an_erased_person_is_gone(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "form-7"}
    lead = (await client.post("/v1/leads", json=PERSONAL, headers=headers)).json()
    await client.delete(f"/v1/leads/{lead['id']}")

    assert (await client.post("/v1/leads", json=PERSONAL, headers=headers)).status_code == 410


async def test_a_card_of_an_erased_person_that_could_not_be_handled_is_gone(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    async with runtime.db.connection() as connection:
        await connection.execute(
            """
            INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, body, state)
            VALUES ('leads', 'customers.contacts.v1', 0, 7, 0, $1, 'contact.changed', '{}', 'a card', 'dead')
            """,
            person_of(lead),
        )
    await client.delete(f"/v1/leads/{lead['id']}")

    assert await count(runtime, "parked") == 0


async def test_nothing_is_told_of_an_erased_person_any_more(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = (await client.post("/v1/leads", json=PERSONAL)).json()
    await client.delete(f"/v1/leads/{lead['id']}")
    path = f"/v1/leads/{lead['id']}"
    refused = [
        await client.patch(path, json={"first_name": "سارا"}),
        await client.patch(path, json={"city": "شیراز"}),
        await client.patch(path, json={"note": "پلاک ۱۲"}),
        await client.post(f"{path}/touches", json={"channel": "call", "note": "گفت پلاک ۱۲"}),
        await client.post(f"{path}/touches", json={"channel": "call"}),
    ]

    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [(410, "person_erased")] * 5
    assert await personal_data(runtime, lead) == []
    assert (await client.patch(path, json={"campaign": "yalda"})).status_code == 200


async def test_an_erased_lead_waits_for_nothing_and_is_closed(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    await client.delete(f"/v1/leads/{lead['id']}")

    closed = await read(client, lead)
    assert (closed["status"], closed["response_due_at"]) == ("disqualified", None)
    assert len(await published(runtime, LeadDisqualified)) == 1


async def test_a_lead_of_an_erased_person_is_not_taken_up_again(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    await client.delete(f"/v1/leads/{lead['id']}")
    answer = await client.post(f"/v1/leads/{lead['id']}/reopen")

    assert (answer.status_code, answer.json()["code"]) == (410, "person_erased")
    assert (await read(client, lead))["status"] == "disqualified"


async def test_the_same_number_is_a_stranger_after_the_erasure(client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    await client.delete(f"/v1/leads/{lead['id']}")

    assert (await captured(client, phone="09990001234"))["person_id"] != lead["person_id"]


async def test_erasing_twice_is_one_erasure(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    replies = [await client.delete(f"/v1/leads/{lead['id']}") for _ in range(2)]

    assert [reply.status_code for reply in replies] == [204, 204]
    assert len(await published(runtime, LeadErased)) == 1


async def test_a_customer_is_not_erased_here(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, **PERSONAL)
    await deliver(runtime, ContactCard(person_id=person_of(lead), kind="customer", phones=("+989990001234",)))
    reply = await client.delete(f"/v1/leads/{lead['id']}")

    assert (reply.status_code, reply.json()["code"]) == (409, "person_is_customer")
    assert (await read(client, lead))["first_name"] == "سارا"


async def test_the_lead_of_a_customer_who_is_erased_can_be_erased_again(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    await deliver(runtime, CustomerErased(person_id=person_of(lead), occurred_at=utcnow()))

    assert (await client.delete(f"/v1/leads/{lead['id']}")).status_code == 204


async def test_a_customer_erased_elsewhere_is_erased_here_by_all_ids(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    survivor = UUID(int=77)
    lead = (await client.post("/v1/leads", json=PERSONAL, headers={"Idempotency-Key": "form-7"})).json()
    await touched(client, lead, note="گفت پلاک ۱۲")
    await deliver(runtime, CustomerMerged(person_id=survivor, merged_id=person_of(lead), occurred_at=utcnow()))
    card = ContactCard(person_id=survivor, kind="customer", phones=("+989990001234",), emails=("sara@example.com",))
    await deliver(runtime, card)
    erased = CustomerErased(person_id=survivor, alias_ids=(person_of(lead),), occurred_at=utcnow())
    await deliver(runtime, erased, survivor)
    await deliver(runtime, erased, card)

    assert await personal_data(runtime, lead) == []
    assert (await published_cards(runtime))[person_of(lead)] is None
    assert await published(runtime, LeadErased) == []
    async with runtime.db.connection() as connection:
        held = await connection.fetchrow("SELECT phones, emails, erased FROM contacts WHERE person_id = $1", survivor)
    assert held is not None
    assert tuple(held) == ([], [], True)


async def test_a_capture_that_meets_an_erasure_brings_nobody_back(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, phone="09990001234")
    replies = await asyncio.gather(
        client.delete(f"/v1/leads/{lead['id']}"),
        *(client.post("/v1/leads", json={"phone": "09990001234", "product": f"p{n}"}) for n in range(8)),
    )

    assert {reply.status_code for reply in replies} <= {201, 204, 503}
    async with runtime.db.connection() as connection:
        back = await connection.fetchval(
            "SELECT count(*) FROM persons WHERE erased_at IS NOT NULL AND phone IS NOT NULL"
        )
        open_leads = await connection.fetchval(
            "SELECT count(*) FROM leads JOIN persons ON persons.id = person_id"
            " WHERE erased_at IS NOT NULL AND status = 'new'"
        )
    assert (back, open_leads) == (0, 0)
