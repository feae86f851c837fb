"""What people agree to: what they told us as customers, whatever their lead's card says, and whoever is merged."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, card, converted, opened
from tests.support.events import deliver


async def consents(client: httpx.AsyncClient, person_id: object) -> tuple[bool, bool]:
    """Return whether a customer accepts messages of service, and of promotion."""
    customer = (await client.get(f"/v1/customers/{person_id}")).json()
    return customer["accepts_service"], customer["accepts_promotional"]


async def told(client: httpx.AsyncClient, person_id: object, **said: Any) -> dict[str, Any]:
    reply = await client.patch(f"/v1/customers/{person_id}", json=said)
    assert reply.status_code == 200, reply.text
    customer: dict[str, Any] = reply.json()
    return customer


async def merged(client: httpx.AsyncClient, into: object, other: object) -> None:
    reply = await client.post(f"/v1/customers/{into}/merge", json={"merged_id": str(other)})
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("card_first", [True, False])
async def test_a_leads_yes_to_promotion_becomes_the_customers(
    runtime: Runtime, client: httpx.AsyncClient, card_first: bool
) -> None:
    lead = new_id()
    said, fact = card(lead, accepts_promotional=True), converted(lead)

    await deliver(runtime, *([said] if card_first else []), fact)
    await deliver(runtime, said)

    assert await consents(client, lead) == (True, True)


@pytest.mark.parametrize("name", ["accepts_service", "accepts_promotional"])
async def test_a_no_is_not_undone_by_a_later_card_of_the_lead(
    runtime: Runtime, client: httpx.AsyncClient, name: str
) -> None:
    lead = new_id()
    await deliver(runtime, card(lead, accepts_promotional=name == "accepts_service"), converted(lead))

    customer = await told(client, lead, **{name: False})
    await deliver(runtime, card(lead, accepts_promotional=name == "accepts_promotional", city="ری"))

    assert customer["consent_at"] is not None
    after = (await client.get(f"/v1/customers/{lead}")).json()
    assert (after[name], after["city"]) == (False, "ری")


async def test_a_no_at_the_opening_is_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = new_id()
    await deliver(runtime, card(lead, accepts_promotional=True))

    customer = await opened(client, accepts_promotional=False)
    await deliver(runtime, card(lead, accepts_promotional=True, city="ری"))

    assert customer["id"] == str(lead)
    assert await consents(client, lead) == (True, False)


@pytest.mark.parametrize("card_first", [True, False])
async def test_one_who_buys_gets_service_although_they_stand_in_an_imported_list(
    runtime: Runtime, client: httpx.AsyncClient, card_first: bool
) -> None:
    in_a_list = card(new_id(), accepts_service=False)

    if card_first:
        await deliver(runtime, in_a_list)
    purchase = await bought(client, phone=PHONE)
    await deliver(runtime, in_a_list)

    assert await consents(client, purchase["person_id"]) == (True, False)


@pytest.mark.parametrize("name", ["accepts_service", "accepts_promotional"])
@pytest.mark.parametrize("says_no", ["one", "other"])
async def test_a_no_outlives_a_merge(client: httpx.AsyncClient, name: str, says_no: str) -> None:
    one = (await opened(client, PHONE, **{name: says_no != "one"}))["id"]
    other = (await opened(client, OTHER_PHONE, **{name: says_no != "other"}))["id"]

    await merged(client, one, other)

    assert (await client.get(f"/v1/customers/{one}")).json()[name] is False


async def test_a_yes_outlives_a_merge_with_somebody_who_was_never_asked(client: httpx.AsyncClient) -> None:
    one, other = await opened(client, PHONE, accepts_promotional=True), await opened(client, OTHER_PHONE)

    await merged(client, one["id"], other["id"])

    assert await consents(client, one["id"]) == (True, True)


async def test_what_an_import_says_again_changes_nothing(client: httpx.AsyncClient) -> None:
    items = [{"phones": [PHONE], "accepts_promotional": True}]

    first, again = [(await client.post("/v1/customers/bulk", json=items)).json()["results"][0] for _ in range(2)]

    assert (first["status"], again["status"]) == ("created", "unchanged")
    customer = (await client.get(f"/v1/customers/{UUID(first['id'])}")).json()
    assert customer["consent_at"] == customer["created_at"]
