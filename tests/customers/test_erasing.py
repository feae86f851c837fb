from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest

from services.customers.customers.opening import Draft, admit
from shared.clock import utcnow
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.customers import CouponRefused, CustomerCreated, CustomerErased, TicketOpened
from shared.contracts.leads import LeadErased
from shared.contracts.messaging import CouponRequested
from shared.errors import Unavailable
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, card, converted, opened
from tests.customers.test_tickets import answered
from tests.support import api
from tests.support.events import deliver, published, published_cards, turn

NAME = "زمرد"
MAIL = "zomorrod@example.com"


async def everything(runtime: Runtime) -> str:
    """Return all that the database holds, as one text."""
    async with runtime.db.connection() as connection:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'state')"
        )
        held = [
            await connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM {schema}.{name} AS t")
            for schema, name in tables
        ]
        answers = await connection.fetch("SELECT body FROM idempotency_keys WHERE body IS NOT NULL")
    return " ".join(each for each in held if each) + " ".join(row["body"].decode() for row in answers)


async def test_nothing_personal_is_left_of_an_erased_customer(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = new_id()
    await deliver(runtime, card(lead, first_name=NAME))
    key = {"Idempotency-Key": "once"}
    body = {
        "phones": [PHONE],
        "first_name": NAME,
        "emails": [MAIL],
        "source": "crm",
        "external_id": f"C-{NAME}",
    }
    person_id = (await client.post("/v1/customers", json=body, headers=key)).json()["id"]
    ticket = {"person_id": person_id, "kind": "problem", "subject": NAME, "text": NAME}
    ticket_id = (await client.post("/v1/tickets", json=ticket)).json()["id"]
    await client.post(f"/v1/tickets/{ticket_id}/answer", json={"text": f"{NAME} عزیز"})
    purchase = await bought(client, person_id=person_id)
    assert NAME in await everything(runtime)

    reply = await client.delete(f"/v1/customers/{person_id}")

    assert reply.status_code == 204
    left = await everything(runtime)
    assert [told for told in (NAME, MAIL, PHONE) if told in left] == []
    assert (await client.get(f"/v1/purchases/{purchase['id']}")).json()["person_id"] == person_id
    repeated = await client.post("/v1/customers", json=body, headers=key)
    assert (repeated.status_code, repeated.json()["code"]) == (410, "answer_erased")


async def test_an_erasure_names_every_id_and_leaves_a_tombstone_for_each(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    one, two = await opened(client), await opened(client, OTHER_PHONE)
    await client.post(f"/v1/customers/{one['id']}/merge", json={"merged_id": two["id"]})

    await client.delete(f"/v1/customers/{two['id']}")

    [event] = await published(runtime, CustomerErased)
    assert (str(event.person_id), [str(each) for each in event.alias_ids]) == (one["id"], [two["id"]])
    cards = await published_cards(runtime)
    assert {cards[UUID(one["id"])], cards[UUID(two["id"])]} == {None}


PARK = """
INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, body, error, behind)
VALUES ('customers', $1, 0, 1, 0, $2, 'card', '{}', '{}', 'No.', false),
       ('customers', $1, 0, 2, 0, $2, 'card', '{}', NULL, NULL, true)
"""


async def test_a_tombstone_that_waits_behind_a_parked_card_is_due_once_that_is_erased(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = UUID((await opened(client))["id"])
    async with runtime.db.connection() as connection:
        await connection.execute(PARK, LEADS_CONTACTS, person_id)

        await client.delete(f"/v1/customers/{person_id}")

        left = await connection.fetch("SELECT body, behind FROM parked")
    assert [tuple(row) for row in left] == [(None, False)]


async def test_an_erased_id_is_gone_for_ever(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    await client.delete(f"/v1/customers/{person_id}")

    replies = [
        await client.get(f"/v1/customers/{person_id}"),
        await client.delete(f"/v1/customers/{person_id}"),
        await client.patch(f"/v1/customers/{person_id}", json={"city": "ری"}),
        await client.post("/v1/purchases", json={"person_id": person_id, "amount_minor": 1}),
        await client.post("/v1/tickets", json={"person_id": person_id, "kind": "question"}),
        await client.post("/v1/coupons", json={"person_id": person_id, "discount_percent": 5}),
    ]
    await deliver(runtime, converted(UUID(person_id)))
    request = CouponRequested(
        request_id=new_id(),
        person_id=UUID(person_id),
        discount_percent=5,
        reason="thanks",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    await deliver(runtime, request)

    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(410, "person_erased")}
    assert len(await published(runtime, CustomerCreated)) == 1
    assert [event.reason for event in await published(runtime, CouponRefused)] == ["erased"]


async def test_the_same_number_is_a_new_person_after_an_erasure(client: httpx.AsyncClient) -> None:
    before = (await opened(client))["id"]
    await client.delete(f"/v1/customers/{before}")

    assert (await opened(client))["id"] != before


async def test_a_number_that_a_card_left_behind_amid_an_erasure_is_nobodys(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """Until the tombstone of that card comes."""
    gone = (await opened(client))["id"]
    await client.delete(f"/v1/customers/{gone}")
    async with runtime.db.connection() as connection:
        await connection.execute("INSERT INTO state.lead_phones (phone, person_id) VALUES ($1, $2)", PHONE, UUID(gone))

    assert (await opened(client))["id"] != gone


@pytest.mark.parametrize("what", ["erased", "merged"])
async def test_whoever_is_erased_or_merged_amid_their_opening_is_not_opened(
    runtime: Runtime, client: httpx.AsyncClient, what: str
) -> None:
    gone, other = (await opened(client))["id"], (await opened(client, OTHER_PHONE))["id"]
    if what == "erased":
        await client.delete(f"/v1/customers/{gone}")
    else:
        await client.post(f"/v1/customers/{other}/merge", json={"merged_id": gone})

    with pytest.raises(Unavailable):
        async with runtime.db.transaction() as tx:
            await admit(tx, [Draft(origin="conversion", wanted_id=UUID(gone))], at=utcnow())


async def test_an_answer_of_somebody_erased_opens_no_complaint(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    await client.delete(f"/v1/customers/{person_id}")
    await deliver(runtime, answered(person_id, new_id(), "detractor"))

    assert await published(runtime, TicketOpened) == []


async def test_a_lead_erased_after_its_conversion_is_erased_as_a_customer_too(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = new_id()
    await deliver(runtime, card(person_id), converted(person_id))
    gone = LeadErased(person_id=person_id, occurred_at=datetime(2026, 6, 1, tzinfo=UTC))

    await deliver(runtime, gone)
    await deliver(runtime, card(person_id), converted(person_id))

    assert PHONE not in await everything(runtime)
    assert [event.person_id for event in await published(runtime, CustomerErased)] == [person_id]
    assert (await client.get(f"/v1/customers/{person_id}")).status_code == 410
    assert (await client.get("/v1/customers/lookup", params={"phone": PHONE})).json()["items"] == []


async def test_purchases_at_once_with_an_erasure_are_facts_of_nobody_or_refused(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]

    replies = await asyncio.gather(
        *(client.post("/v1/purchases", json={"person_id": person_id, "amount_minor": 1}) for _ in range(4)),
        client.delete(f"/v1/customers/{person_id}"),
        *(client.post("/v1/purchases", json={"person_id": person_id, "amount_minor": 1}) for _ in range(4)),
    )
    await turn(runtime, "classify customers")

    assert {reply.status_code for reply in replies} <= {201, 204, 410}
    async with runtime.db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM classifications") == 0


async def test_erasing_takes_the_scope_of_an_administrator(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    async with api.client(runtime, ["customers:write"]) as writer:
        assert (await writer.delete(f"/v1/customers/{person_id}")).status_code == 403
