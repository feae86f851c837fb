from __future__ import annotations

import asyncio
from uuid import UUID

import httpx

from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerCreated, CustomerMerged, CustomerStageChanged
from shared.ids import new_id
from shared.outbox.handling import apply_batch
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, card, converted, opened
from tests.support.events import deliver, published, published_cards, record_of, turn


async def test_a_converted_lead_becomes_a_customer_with_the_name_and_number_of_its_card(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()

    await deliver(runtime, card(person_id, province="tehran"), converted(person_id))

    customer = (await client.get(f"/v1/customers/{person_id}")).json()
    assert (customer["first_name"], customer["phones"], customer["origin"]) == ("سارا", [PHONE], "conversion")
    [created] = await published(runtime, CustomerCreated)
    assert (created.person_id, created.origin, created.source, created.province) == (
        person_id,
        "conversion",
        "website",
        "tehran",
    )
    sent = (await published_cards(runtime))[person_id]
    assert isinstance(sent, ContactCard)
    assert (sent.kind, sent.first_name, sent.phones) == ("customer", "سارا", (PHONE,))


async def test_a_fact_before_its_card_opens_the_customer_and_the_card_fills_it_in(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()

    await deliver(runtime, converted(person_id))
    before = (await client.get(f"/v1/customers/{person_id}")).json()
    await deliver(runtime, card(person_id))

    after = (await client.get(f"/v1/customers/{person_id}")).json()
    assert (before["first_name"], before["phones"]) == (None, [])
    assert (after["first_name"], after["phones"]) == ("سارا", [PHONE])
    sent = (await published_cards(runtime))[person_id]
    assert isinstance(sent, ContactCard)
    assert sent.phones == (PHONE,)


async def test_a_customer_opened_before_the_leads_card_has_none_that_would_hide_it(runtime: Runtime) -> None:
    person_id = new_id()

    await deliver(runtime, converted(person_id))
    assert await published(runtime, CustomerCreated)
    assert person_id not in await published_cards(runtime)


async def test_an_older_card_that_comes_late_does_not_win(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = new_id()
    older, newer = record_of(card(person_id)), record_of(card(person_id, first_name="نازنین"))
    for record in (newer, older):
        async with runtime.db.transaction() as tx:
            await apply_batch(tx, runtime, [record])

    await deliver(runtime, converted(person_id))

    assert (await client.get(f"/v1/customers/{person_id}")).json()["first_name"] == "نازنین"


async def test_a_card_says_the_same_before_its_fact_and_after_it(runtime: Runtime, client: httpx.AsyncClient) -> None:
    said = {"locale": "en", "time_zone": "Europe/Berlin", "province": "tehran"}
    before, after = new_id(), new_id()

    await deliver(runtime, card(before, PHONE, **said), converted(before))
    await deliver(runtime, converted(after))
    await deliver(runtime, card(after, OTHER_PHONE, **said))

    for person_id in (before, after):
        customer = (await client.get(f"/v1/customers/{person_id}")).json()
        assert {name: customer[name] for name in said} == said


async def test_the_customers_profile_wins_over_a_later_card_of_the_lead(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()
    await deliver(runtime, card(person_id), converted(person_id))
    await client.patch(f"/v1/customers/{person_id}", json={"first_name": "سارینا"})

    await deliver(runtime, card(person_id, OTHER_PHONE, city="ری", locale="en"))

    customer = (await client.get(f"/v1/customers/{person_id}")).json()
    assert (customer["first_name"], customer["phones"], customer["city"]) == ("سارینا", [PHONE], "ری")
    assert customer["locale"] == "fa"


async def test_the_number_of_an_agent_is_no_leads(runtime: Runtime, client: httpx.AsyncClient) -> None:
    agent = ContactCard(person_id=new_id(), kind="agent", first_name="امید", phones=(PHONE,))
    await deliver(runtime, agent)

    customer = await opened(client)
    await deliver(runtime, agent)
    assert customer["id"] != str(agent.person_id)
    assert (await client.get(f"/v1/customers/{customer['id']}")).json()["alias_ids"] == []


async def test_a_conversion_delivered_again_changes_nothing(runtime: Runtime) -> None:
    person_id = new_id()
    event = converted(person_id)

    await deliver(runtime, event)
    await deliver(runtime, event)
    await deliver(runtime, converted(person_id))

    assert len(await published(runtime, CustomerCreated)) == 1


async def test_a_converted_lead_begins_at_acquisition(runtime: Runtime) -> None:
    person_id = new_id()

    await deliver(runtime, converted(person_id))
    await turn(runtime, "classify customers")

    [change] = await published(runtime, CustomerStageChanged)
    assert (change.before, change.after, change.reason) == ("reach", "acquisition", "engaged")


async def test_a_lead_with_a_customers_number_is_merged_into_the_customer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    customer = await opened(client)
    person_id = new_id()

    await deliver(runtime, card(person_id), converted(person_id))

    [merged] = await published(runtime, CustomerMerged)
    assert (str(merged.person_id), merged.merged_id) == (customer["id"], person_id)
    seen = (await client.get(f"/v1/customers/{person_id}")).json()
    assert (seen["id"], seen["alias_ids"]) == (customer["id"], [str(person_id)])


async def test_a_card_that_comes_after_both_shows_that_they_are_one_person(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()
    await deliver(runtime, converted(person_id))
    customer = await opened(client)

    await deliver(runtime, card(person_id))

    [merged] = await published(runtime, CustomerMerged)
    assert (str(merged.person_id), merged.merged_id) == (customer["id"], person_id)


async def test_a_customer_opened_by_hand_takes_the_id_of_the_lead_with_that_number(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()
    await deliver(runtime, card(person_id))

    customer = await opened(client, "0999 000 1234", last_name="آزمایشی")

    assert (customer["id"], customer["first_name"], customer["last_name"]) == (str(person_id), "سارا", "آزمایشی")


async def test_a_customer_who_gets_the_number_of_a_lead_is_that_lead(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    leads = [new_id(), new_id()]
    await deliver(runtime, card(leads[0], PHONE), card(leads[1], OTHER_PHONE))
    named = {"source": "crm", "external_id": "C-1"}
    customer = await client.post("/v1/customers", json=named)
    person_id = customer.json()["id"]

    answer = await client.post("/v1/customers/bulk", json=[named | {"phones": [PHONE]}])
    changed = await client.patch(f"/v1/customers/{person_id}", json={"phones": [PHONE, OTHER_PHONE]})

    assert answer.json()["updated"] == 1, answer.text
    assert changed.json()["phones"] == [PHONE, OTHER_PHONE]
    assert [event.merged_id for event in await published(runtime, CustomerMerged)] == leads
    assert (await client.get(f"/v1/customers/{leads[1]}")).json()["id"] == person_id


async def test_one_who_has_the_numbers_of_two_leads_is_both(runtime: Runtime, client: httpx.AsyncClient) -> None:
    leads = [new_id(), new_id()]
    await deliver(runtime, card(leads[0], PHONE), card(leads[1], OTHER_PHONE))

    customer = await opened(client, PHONE, OTHER_PHONE)

    assert customer["id"] == str(leads[0])
    assert [(event.person_id, event.merged_id) for event in await published(runtime, CustomerMerged)] == [tuple(leads)]


async def test_conversion_and_the_api_at_once_make_one_person(runtime: Runtime, client: httpx.AsyncClient) -> None:
    for number in range(5):
        person_id, phone = new_id(), f"+98999000{number:04}"
        await deliver(runtime, card(person_id, phone))

        await asyncio.gather(
            deliver(runtime, converted(person_id)), client.post("/v1/customers", json={"phones": [phone]})
        )

        found = (await client.get("/v1/customers/lookup", params={"phone": phone})).json()["items"]
        assert [each["id"] for each in found] == [str(person_id)]
    assert len(await published(runtime, CustomerCreated)) == 5


async def test_conversion_before_the_card_and_the_api_at_once_make_one_person(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for number in range(5):
        person_id, phone = new_id(), f"+98999000{number:04}"

        async def convert(person_id: UUID = person_id, phone: str = phone) -> None:
            await deliver(runtime, converted(person_id))
            await deliver(runtime, card(person_id, phone))

        await asyncio.gather(convert(), client.post("/v1/customers", json={"phones": [phone]}))

        found = (await client.get("/v1/customers/lookup", params={"phone": phone})).json()["items"]
        assert len(found) == 1
        same = (await client.get(f"/v1/customers/{person_id}")).json()
        assert same["id"] == found[0]["id"]
