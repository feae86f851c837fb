from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import httpx
import pytest

from services.customers.customers.merging import merge_people
from shared.clock import utcnow
from shared.contracts.cards import ContactCard
from shared.contracts.customers import CustomerErased, CustomerMerged, PurchaseRecorded
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, card, converted, opened
from tests.support.events import deliver, published, published_cards, turn
from tests.support.eventually import eventually

THIRD_PHONE = "+989990009999"


async def merged(client: httpx.AsyncClient, into: str, merged_id: str) -> dict[str, Any]:
    reply = await client.post(f"/v1/customers/{into}/merge", json={"merged_id": merged_id})
    assert reply.status_code == 200, reply.text
    customer: dict[str, Any] = reply.json()
    return customer


async def test_the_surviving_profile_wins_and_takes_what_it_lacks(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one = await opened(client, first_name="سارا", emails=["sara@example.com"])
    two = await opened(client, OTHER_PHONE, first_name="نازنین", city="ری", emails=["n@example.com"])

    customer = await merged(client, one["id"], two["id"])

    assert (customer["first_name"], customer["city"]) == ("سارا", "ری")
    assert customer["phones"] == [PHONE, OTHER_PHONE]
    assert customer["emails"] == ["sara@example.com", "n@example.com"]
    assert (await client.get(f"/v1/customers/{two['id']}")).json() == customer
    [event] = await published(runtime, CustomerMerged)
    assert (str(event.person_id), str(event.merged_id)) == (one["id"], two["id"])
    cards = await published_cards(runtime)
    for person_id in (one["id"], two["id"]):
        sent = cards[UUID(person_id)]
        assert isinstance(sent, ContactCard)
        assert (str(sent.person_id), [str(alias) for alias in sent.aliases]) == (one["id"], [two["id"]])


async def test_a_merge_tells_of_a_purchase_that_was_cancelled_before_it_as_of_one_cancelled_after(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)
    only = await bought(client, person_id=two["id"], occurred_at="2026-01-02T00:00:00Z")
    (await client.post(f"/v1/purchases/{only['id']}/cancel")).raise_for_status()

    await merged(client, one["id"], two["id"])

    [event] = await published(runtime, CustomerMerged)
    assert event.last_purchase_at == datetime(2026, 1, 2, tzinfo=UTC)


async def test_purchases_of_both_ids_are_one_history(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)
    first = await bought(client, person_id=one["id"], occurred_at="2026-01-01T00:00:00Z")
    second = await bought(client, person_id=two["id"], occurred_at="2026-01-02T00:00:00Z")
    await turn(runtime, "classify customers")

    await merged(client, one["id"], two["id"])
    [event] = await published(runtime, CustomerMerged)
    assert event.last_purchase_at == datetime(2026, 1, 2, tzinfo=UTC)
    third = await bought(client, person_id=two["id"], occurred_at="2026-01-03T00:00:00Z")
    await turn(runtime, "classify customers")

    for person_id in (one["id"], two["id"]):
        listed = (await client.get("/v1/purchases", params={"person_id": person_id})).json()["items"]
        assert [each["id"] for each in listed] == [third["id"], second["id"], first["id"]]
    assert [str(event.person_id) for event in await published(runtime, PurchaseRecorded)] == [
        one["id"],
        two["id"],
        one["id"],
    ]
    [caller] = (await client.get("/v1/customers/lookup", params={"phone": OTHER_PHONE})).json()["items"]
    assert [each["id"] for each in caller["last_purchases"]] == [third["id"], second["id"], first["id"]]


async def test_chains_of_merges_lead_to_the_last(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one, two, three = await opened(client), await opened(client, OTHER_PHONE), await opened(client, THIRD_PHONE)

    await merged(client, two["id"], one["id"])
    await merged(client, three["id"], two["id"])
    again = await merged(client, one["id"], two["id"])

    assert again["id"] == three["id"]
    assert set(again["alias_ids"]) == {one["id"], two["id"]}
    assert len(await published(runtime, CustomerMerged)) == 2


async def test_merges_of_two_into_each_other_at_once_leave_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)

    customers = await asyncio.gather(merged(client, one["id"], two["id"]), merged(client, two["id"], one["id"]))

    assert len({customer["id"] for customer in customers}) == 1
    assert len(await published(runtime, CustomerMerged)) == 1


async def test_purchases_while_people_are_merged_lose_nothing(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)

    await asyncio.gather(
        *(bought(client, person_id=two["id"]) for _ in range(6)),
        merged(client, one["id"], two["id"]),
        *(bought(client, phone=OTHER_PHONE) for _ in range(6)),
    )
    await turn(runtime, "classify customers")

    listed = (await client.get("/v1/purchases", params={"person_id": one["id"]})).json()["items"]
    customer = (await client.get(f"/v1/customers/{one['id']}")).json()
    assert len(listed) == 12
    assert "regular" in customer["types"]


async def test_a_conversion_of_a_merged_lead_changes_the_customer_it_means(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    customer = await opened(client)
    person_id = new_id()
    await deliver(runtime, card(person_id))

    await deliver(runtime, converted(person_id))

    assert len(await published(runtime, CustomerMerged)) == 1
    assert (await client.get(f"/v1/customers/{person_id}")).json()["id"] == customer["id"]


async def test_an_id_that_nobody_has_is_merged_into_nobody(runtime: Runtime, client: httpx.AsyncClient) -> None:
    customer = await opened(client)

    reply = await client.post(f"/v1/customers/{customer['id']}/merge", json={"merged_id": str(new_id())})

    assert (reply.status_code, reply.json()["code"]) == (404, "customer_not_found")
    assert await published(runtime, CustomerMerged) == []


async def test_merging_with_an_erased_id_erases_the_other(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)
    await client.delete(f"/v1/customers/{two['id']}")

    reply = await client.post(f"/v1/customers/{one['id']}/merge", json={"merged_id": two["id"]})

    assert reply.status_code == 204
    assert (await client.get(f"/v1/customers/{one['id']}")).status_code == 410
    assert len(await published(runtime, CustomerErased)) == 2


async def test_a_number_that_a_customer_gave_up_is_not_theirs_by_the_card_of_their_lead(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()
    await deliver(runtime, card(person_id))
    await deliver(runtime, converted(person_id))
    await client.patch(f"/v1/customers/{person_id}", json={"phones": [OTHER_PHONE]})
    stranger = await bought(client, phone=PHONE)

    assert stranger["person_id"] != str(person_id)
    assert (await client.get(f"/v1/customers/{person_id}")).json()["phones"] == [OTHER_PHONE]


async def test_a_number_that_a_customer_gave_up_is_that_of_the_lead_who_has_it_now(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    before, now = new_id(), new_id()
    await deliver(runtime, card(before))
    await deliver(runtime, converted(before))
    await client.patch(f"/v1/customers/{before}", json={"phones": [OTHER_PHONE]})
    await deliver(runtime, card(now))

    assert (await bought(client, phone=PHONE))["person_id"] == str(now)


async def test_a_lead_merged_by_hand_brings_its_number(runtime: Runtime, client: httpx.AsyncClient) -> None:
    customer = await opened(client)
    lead = new_id()
    await deliver(runtime, card(lead, OTHER_PHONE, city="ری"))

    seen = await merged(client, customer["id"], str(lead))

    assert (seen["phones"], seen["city"]) == ([PHONE, OTHER_PHONE], "ری")
    assert (await bought(client, phone=OTHER_PHONE))["person_id"] == customer["id"]
    sent = (await published_cards(runtime))[UUID(customer["id"])]
    assert sent is not None
    assert sent.phones == (PHONE, OTHER_PHONE)


async def test_a_customer_without_a_name_has_that_of_the_lead_who_turns_out_to_be_them(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    purchase = await bought(client, phone=PHONE)
    lead = new_id()

    await deliver(runtime, card(lead, PHONE, OTHER_PHONE))

    seen = (await client.get(f"/v1/customers/{lead}")).json()
    assert (seen["id"], seen["first_name"], seen["phones"]) == (purchase["person_id"], "سارا", [PHONE, OTHER_PHONE])
    sent = (await published_cards(runtime))[UUID(purchase["person_id"])]
    assert sent is not None
    assert sent.first_name == "سارا"


async def test_a_merged_lead_takes_no_number_of_another_customer(runtime: Runtime, client: httpx.AsyncClient) -> None:
    customer, other = await opened(client), await opened(client, THIRD_PHONE)
    await client.patch(f"/v1/customers/{other['id']}", json={"shared_phones": [OTHER_PHONE]})

    await deliver(runtime, card(new_id(), PHONE, THIRD_PHONE, OTHER_PHONE))

    owner = (await client.get(f"/v1/customers/{customer['id']}")).json()
    assert (owner["phones"], owner["shared_phones"]) == ([PHONE], [OTHER_PHONE])
    assert (await client.get(f"/v1/customers/{other['id']}")).json()["phones"] == [THIRD_PHONE]


async def test_a_card_and_a_purchase_that_do_not_see_each_other_are_one_person_all_the_same(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    purchase, lead = await bought(client, phone=PHONE), new_id()
    async with runtime.db.connection() as connection:
        await connection.execute("INSERT INTO state.lead_phones (phone, person_id) VALUES ($1, $2)", PHONE, lead)

    await turn(runtime, "classify customers")

    [event] = await published(runtime, CustomerMerged)
    assert (str(event.person_id), event.merged_id) == (purchase["person_id"], lead)


async def test_a_lead_who_turned_out_to_be_a_customer_is_merged_though_the_process_ended_before(
    runtime: Runtime, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the two transactions of a turn: what marked the customer is gone by then."""
    purchase, lead = await bought(client, phone=PHONE), new_id()
    async with runtime.db.connection() as connection:
        await connection.execute("INSERT INTO state.lead_phones (phone, person_id) VALUES ($1, $2)", PHONE, lead)
    with monkeypatch.context() as ending:
        ending.setattr("services.customers.clocks.merge_leads", AsyncMock(side_effect=ConnectionError))
        with pytest.raises(ConnectionError):
            await turn(runtime, "classify customers")
    assert await published(runtime, CustomerMerged) == []

    await turn(runtime, "classify customers")

    [event] = await published(runtime, CustomerMerged)
    assert (str(event.person_id), event.merged_id) == (purchase["person_id"], lead)
    async with runtime.db.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(person_id) FROM classifications") == [event.person_id]


async def test_a_number_that_a_customer_shares_makes_nobody_with_it_them(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await opened(client, PHONE, shared_phones=[OTHER_PHONE])
    await deliver(runtime, card(new_id(), OTHER_PHONE))
    await turn(runtime, "classify customers")

    assert await published(runtime, CustomerMerged) == []


async def test_a_card_that_came_alone_is_looked_at_again(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead, customer = new_id(), await opened(client, OTHER_PHONE)
    await turn(runtime, "classify customers")
    await deliver(runtime, card(lead))
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO phone_numbers (phone, person_id) VALUES ($1, $2)", PHONE, UUID(customer["id"])
        )

    await turn(runtime, "classify customers")

    [event] = await published(runtime, CustomerMerged)
    assert (str(event.person_id), event.merged_id) == (customer["id"], lead)


async def test_whoever_is_asked_for_by_an_older_id_while_they_are_merged_is_found_as_who_lives_on(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """The older id means somebody when it is looked up, and somebody else once their row can be locked."""
    older, other, lives = [(await opened(client, phone))["id"] for phone in (PHONE, OTHER_PHONE, THIRD_PHONE)]
    await merged(client, other, older)

    async def waits() -> Any:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        async with runtime.db.connection() as connection:
            return await connection.fetchval(query)

    async with runtime.db.transaction() as tx:
        await merge_people(tx, merged_id=UUID(other), into_id=UUID(lives), at=utcnow())
        body = {"person_id": older, "kind": "question"}
        asking = asyncio.create_task(client.post("/v1/tickets", json=body))
        await eventually(waits)
    ticket = await asking

    assert (ticket.status_code, ticket.json().get("person_id")) == (201, lives)
