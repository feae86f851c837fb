"""Purchases that name the person of a lead: the first one opens the customer, as a purchase by their number does."""

from __future__ import annotations

import asyncio

import httpx

from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerCreated, CustomerMerged, PurchaseRecorded
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, card, converted, opened
from tests.support.events import deliver, published


async def test_a_lead_who_buys_under_their_id_is_a_customer_from_then_on(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = new_id()
    await deliver(runtime, card(lead, locale="en"))

    purchases = [await bought(client, person_id=str(lead)) for _ in range(2)]

    assert {purchase["person_id"] for purchase in purchases} == {str(lead)}
    [created] = await published(runtime, CustomerCreated)
    assert (created.person_id, created.origin) == (lead, "purchase")
    customer = (await client.get(f"/v1/customers/{lead}")).json()
    assert (customer["first_name"], customer["locale"], customer["phones"]) == ("سارا", "en", [PHONE])


async def test_a_lead_known_by_mail_alone_can_buy(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = new_id()
    await deliver(runtime, ContactCard(person_id=lead, kind="lead", emails=("sara@example.com",)))

    await bought(client, person_id=str(lead))

    customer = (await client.get(f"/v1/customers/{lead}")).json()
    assert (customer["emails"], customer["phones"]) == (["sara@example.com"], [])


async def test_leads_in_a_bulk_request_become_customers_and_strangers_are_refused(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    leads = [new_id(), new_id()]
    await deliver(runtime, card(leads[0], PHONE), card(leads[1], OTHER_PHONE))
    named = [*leads, leads[0], new_id()]

    reply = await client.post(
        "/v1/purchases/bulk", json=[{"person_id": str(each), "amount_minor": 1} for each in named]
    )

    answer = reply.json()
    assert [each["status"] for each in answer["results"]] == ["created", "created", "created", "error"]
    assert {event.person_id for event in await published(runtime, CustomerCreated)} == set(leads)


async def test_a_lead_with_the_number_of_a_customer_buys_as_that_customer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead, customer = new_id(), await opened(client, OTHER_PHONE)
    await deliver(runtime, card(lead, PHONE))
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE phone_numbers SET phone = $1", PHONE)

    purchase = await bought(client, person_id=str(lead))

    assert purchase["person_id"] == customer["id"]
    [merged] = await published(runtime, CustomerMerged)
    assert (str(merged.person_id), merged.merged_id) == (customer["id"], lead)


async def test_an_erased_lead_buys_nothing(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = new_id()
    await deliver(runtime, card(lead), converted(lead))
    await client.delete(f"/v1/customers/{lead}")

    reply = await client.post("/v1/purchases", json={"person_id": str(lead), "amount_minor": 1})

    assert (reply.status_code, reply.json()["code"]) == (410, "person_erased")


async def test_purchases_of_a_lead_at_once_open_one_customer(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = new_id()
    await deliver(runtime, card(lead))

    await asyncio.gather(*(bought(client, person_id=str(lead)) for _ in range(8)), deliver(runtime, converted(lead)))

    assert len(await published(runtime, CustomerCreated)) == 1
    assert {event.person_id for event in await published(runtime, PurchaseRecorded)} == {lead}
