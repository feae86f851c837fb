"""What the customers service says changes what we know of people: cards, merges, purchases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from services.leads.consumers import keep_contacts
from services.leads.persons.identity import How, Identity, Match, identify
from shared.clock import utcnow
from shared.contracts.cards import CUSTOMERS_CONTACTS, ContactCard, ReceivedCard
from shared.contracts.customers import CustomerCreated, CustomerErased, CustomerMerged, PurchaseLine, PurchaseRecorded
from shared.contracts.leads import LeadConverted
from shared.ids import new_id
from shared.service import Runtime
from tests.leads.story import agent, captured, count, done, person_of, read
from tests.support.events import deliver, published

SARA, OTHER = UUID(int=0x5A7A), UUID(int=0x07E7)
PHONE, EMAIL = "+989990001234", "sara@example.com"


def card(person_id: UUID = SARA, *, phones: tuple[str, ...] = (PHONE,), **fields: object) -> ContactCard:
    return ContactCard(person_id=person_id, kind="customer", phones=phones, **fields)  # type: ignore[arg-type]


def purchase(person_id: UUID, *products: str, at: datetime | None = None) -> PurchaseRecorded:
    return PurchaseRecorded(
        person_id=person_id,
        purchase_id=new_id(),
        occurred_at=at or utcnow(),
        amount_minor=1_000_000,
        lines=tuple(PurchaseLine(product=product, amount_minor=1_000_000) for product in products),
    )


def merged(merged_id: UUID, into: UUID, *, last_purchase_at: datetime | None = None) -> CustomerMerged:
    return CustomerMerged(person_id=into, merged_id=merged_id, last_purchase_at=last_purchase_at, occurred_at=utcnow())


class TestCards:
    async def test_a_customer_s_number_is_that_customer(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        await deliver(runtime, card())
        lead = await captured(client, phone="09990001234")

        assert (lead["person_id"], lead["kind"]) == (str(SARA), "returning")

    async def test_an_older_card_that_comes_later_changes_nothing(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        old, new = card(phones=("+989990009999",)), card()
        await deliver(runtime, new)
        async with runtime.db.connection() as connection:
            await connection.execute("UPDATE state.contacts SET version = 1000000000")
        await deliver(runtime, old)

        assert (await captured(client, phone="09990001234"))["person_id"] == str(SARA)

    async def test_a_card_that_comes_after_its_erasure_identifies_nobody(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        await deliver(runtime, CustomerErased(person_id=SARA, occurred_at=utcnow()))
        await deliver(runtime, card())

        assert (await captured(client, phone="09990001234"))["person_id"] != str(SARA)

    async def test_our_own_person_stays_the_one_when_a_card_comes_later(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        first = await captured(client, phone="09990001234")
        await deliver(runtime, card(person_of(first)))

        assert (await captured(client, phone="09990001234"))["id"] == first["id"]

    async def test_a_number_that_passed_to_another_customer_is_theirs(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, phone="09990001234", email=EMAIL, product="crm")
        await deliver(runtime, card(person_of(lead), phones=("+989990005678",)), card(OTHER, emails=(EMAIL,)))

        assert (await captured(client, phone="09990001234", product="club"))["person_id"] == str(OTHER)
        assert (await captured(client, email=EMAIL, product="shop"))["person_id"] == str(OTHER)
        assert (await captured(client, phone="09990005678", product="crm"))["id"] == lead["id"]

    async def test_a_number_that_a_family_shares_does_not_tell_its_people_apart(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        await deliver(runtime, card(phones=(), shared_phones=(PHONE,)))
        sara = await captured(client, phone="09990001234", first_name="سارا")
        mina = await captured(client, phone="09990001234", first_name="مينا")

        assert len({sara["person_id"], mina["person_id"], str(SARA)}) == 3
        assert (await captured(client, phone="09990001234", first_name="مینا"))["id"] == mina["id"]

    async def test_the_card_of_a_merged_id_leads_to_whoever_it_means(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        survivor = card(aliases=(OTHER,))
        async with runtime.db.transaction() as tx:
            for key in (OTHER, SARA):
                received = ReceivedCard(key, survivor, CUSTOMERS_CONTACTS, version=1, recorded_at=utcnow())
                await keep_contacts(tx, [received])

        assert (await captured(client, phone="09990001234"))["person_id"] == str(SARA)

    async def test_a_customer_is_known_as_one_before_the_card_comes(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client)
        await deliver(runtime, CustomerCreated(person_id=person_of(lead), origin="api", occurred_at=utcnow()))
        reply = await client.delete(f"/v1/leads/{lead['id']}")

        assert (reply.status_code, reply.json()["code"]) == (409, "person_is_customer")


class TestMerges:
    async def test_a_capture_after_a_merge_finds_the_open_lead_of_the_merged_id(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, phone="09990001234")
        await deliver(runtime, merged(person_of(lead), SARA))

        assert (await captured(client, phone="09990001234"))["id"] == lead["id"]

    async def test_a_new_lead_after_a_merge_is_of_the_person_who_lives_on(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, phone="09990001234")
        await done(client, lead, "convert")
        await deliver(runtime, merged(person_of(lead), SARA))

        assert (await captured(client, phone="09990001234"))["person_id"] == str(SARA)

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    async def test_chains_are_resolved_in_any_order(
        self, runtime: Runtime, client: httpx.AsyncClient, order: tuple[int, int]
    ) -> None:
        lead = await captured(client, phone="09990001234")
        await done(client, lead, "convert")
        links = (merged(person_of(lead), OTHER), merged(OTHER, SARA))
        await deliver(runtime, *(links[place] for place in order))

        assert (await captured(client, phone="09990001234"))["person_id"] == str(SARA)

    async def test_a_merge_delivered_twice_or_both_ways_changes_nothing_more(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, phone="09990001234")
        there = merged(person_of(lead), SARA)
        await deliver(runtime, there, there, merged(SARA, person_of(lead)))

        assert (await captured(client, phone="09990001234"))["id"] == lead["id"]
        assert await count(runtime, "aliases WHERE alias_id <> person_id") == await count(runtime, "aliases") == 1

    async def test_whoever_is_merged_with_somebody_erased_is_erased(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, phone="09990001234", first_name="سارا")
        await deliver(runtime, CustomerErased(person_id=SARA, occurred_at=utcnow()))
        await deliver(runtime, merged(person_of(lead), SARA))

        erased = await read(client, lead)
        assert (erased["phone"], erased["first_name"]) == (None, None)

    async def test_a_lead_is_converted_by_what_its_person_bought_under_another_id_meanwhile(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        owner = await agent(client)
        lead = await captured(client, product="crm")
        bought = purchase(SARA, "club")
        merge = merged(person_of(lead), SARA, last_purchase_at=bought.occurred_at)
        await deliver(runtime, bought, merge, merge)

        won = await read(client, lead)
        assert (won["status"], won["converted_by"]) == ("converted", "purchase")
        [event] = await published(runtime, LeadConverted)
        assert (event.by, event.occurred_at) == ("purchase", bought.occurred_at)
        assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 0

    async def test_what_was_bought_under_another_id_converts_no_lead_that_waits_for_its_own_product(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client, kind="cross_sell", product="crm")
        await deliver(runtime, merged(person_of(lead), SARA, last_purchase_at=utcnow()))

        assert (await read(client, lead))["status"] == "new"

    async def test_what_was_bought_before_the_capture_converts_no_merged_lead(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client)
        await deliver(runtime, merged(person_of(lead), SARA, last_purchase_at=utcnow() - timedelta(days=1)))

        assert (await read(client, lead))["status"] == "new"


class TestPurchases:
    async def test_the_first_purchase_converts_the_open_lead(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        owner = await agent(client)
        lead = await captured(client)
        bought = purchase(person_of(lead))
        await deliver(runtime, bought)

        won = await read(client, lead)
        assert (won["status"], won["converted_by"], won["response_due_at"]) == ("converted", "purchase", None)
        [event] = await published(runtime, LeadConverted)
        assert (event.by, event.occurred_at, event.agent_id) == ("purchase", bought.occurred_at, UUID(owner))
        assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 0

    async def test_more_purchases_at_once_convert_it_once(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        lead = await captured(client)
        await deliver(runtime, *(purchase(person_of(lead)) for _ in range(3)))
        await deliver(runtime, purchase(person_of(lead)))

        assert len(await published(runtime, LeadConverted)) == 1

    async def test_a_purchase_and_a_conversion_by_hand_at_once_are_one_conversion(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        leads = [await captured(client) for _ in range(10)]
        await asyncio.gather(
            *(client.post(f"/v1/leads/{lead['id']}/convert") for lead in leads),
            *(deliver(runtime, purchase(person_of(lead))) for lead in leads),
        )

        converted = [str(event.lead_id) for event in await published(runtime, LeadConverted)]
        assert sorted(converted) == sorted(lead["id"] for lead in leads)

    async def test_a_purchase_of_an_alias_converts_too(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        lead = await captured(client)
        await deliver(runtime, merged(person_of(lead), SARA))
        await deliver(runtime, purchase(SARA))

        assert (await read(client, lead))["status"] == "converted"

    async def test_a_purchase_that_comes_with_the_merge_converts_too(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client)
        await deliver(runtime, purchase(SARA), merged(person_of(lead), SARA))

        assert (await read(client, lead))["status"] == "converted"

    @pytest.mark.parametrize("under_another_id", [True, False])
    async def test_a_purchase_at_the_instant_of_the_capture_converts(
        self, runtime: Runtime, client: httpx.AsyncClient, *, under_another_id: bool
    ) -> None:
        owner = await agent(client)
        lead = await captured(client)
        at = datetime.fromisoformat(lead["captured_at"])
        merge = merged(person_of(lead), SARA, last_purchase_at=at)
        await deliver(runtime, merge if under_another_id else purchase(person_of(lead), at=at))

        assert (await read(client, lead))["status"] == "converted"
        assert (await client.get(f"/v1/agents/{owner}")).json()["open_leads"] == 0

    async def test_a_purchase_before_the_capture_converts_nothing(
        self, runtime: Runtime, client: httpx.AsyncClient
    ) -> None:
        lead = await captured(client)
        await deliver(runtime, purchase(person_of(lead), at=utcnow() - timedelta(days=1)))

        assert (await read(client, lead))["status"] == "new"

    @pytest.mark.parametrize(
        ("kind", "bought", "status"),
        [
            ("new", ("crm",), "converted"),
            ("new", ("club",), "converted"),
            ("cross_sell", ("crm", "club"), "converted"),
            ("cross_sell", ("club",), "new"),
            ("cross_sell", (), "converted"),
        ],
    )
    async def test_a_customer_s_lead_waits_for_its_own_product(
        self, runtime: Runtime, client: httpx.AsyncClient, kind: str, bought: tuple[str, ...], status: str
    ) -> None:
        lead = await captured(client, kind=kind, product="crm")
        await deliver(runtime, purchase(person_of(lead), *bought))

        assert (await read(client, lead))["status"] == status

    async def test_purchases_of_people_without_leads_are_none_of_ours(self, runtime: Runtime) -> None:
        await deliver(runtime, *(purchase(new_id()) for _ in range(100)))

        assert await published(runtime) == []


def match(how: How, person: UUID = SARA, *, has_phone: bool = True, same_name: bool = False) -> Match:
    return Match(how, person, has_phone, same_name, is_customer=False)


@pytest.mark.parametrize(
    ("matches", "phone_given", "identity"),
    [
        pytest.param([], True, Identity(), id="a stranger"),
        pytest.param([match(How.PHONE)], True, Identity(SARA), id="our own number"),
        pytest.param([match(How.CARD_PHONE)], True, Identity(SARA), id="a customer's number"),
        pytest.param([match(How.EMAIL)], False, Identity(SARA), id="the address alone was given"),
        pytest.param([match(How.EMAIL, has_phone=False)], True, Identity(SARA), id="the address had no number yet"),
        pytest.param([match(How.EMAIL)], True, Identity(possible_duplicate_of=SARA), id="another number"),
        pytest.param(
            [match(How.PHONE), match(How.EMAIL, OTHER)],
            True,
            Identity(SARA, possible_duplicate_of=OTHER),
            id="the number decides against the address",
        ),
        pytest.param(
            [match(How.CARD_PHONE), match(How.SHARED_PHONE, OTHER)],
            True,
            Identity(phone_shared=True),
            id="a shared number decides nothing",
        ),
        pytest.param(
            [match(How.PHONE, same_name=True), match(How.SHARED_PHONE, OTHER)],
            True,
            Identity(SARA, phone_shared=True),
            id="a shared number with the name",
        ),
        pytest.param(
            [match(How.SHARED_PHONE, OTHER), match(How.CARD_EMAIL)],
            True,
            Identity(SARA, phone_shared=True),
            id="a shared number with the address",
        ),
    ],
)
def test_who_somebody_is(matches: list[Match], phone_given: bool, identity: Identity) -> None:
    assert identify(matches, phone_given=phone_given) == identity
