from __future__ import annotations

import asyncio
from typing import Any

import httpx

from shared.contracts.customers import CustomerCreated, CustomerMerged, CustomerUpdated
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, card, opened
from tests.support.events import deliver, published


async def sent(client: httpx.AsyncClient, items: list[Any]) -> dict[str, Any]:
    reply = await client.post("/v1/customers/bulk", json={"items": items})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "source": "crm",
        "external_id": f"C-{number}",
        "first_name": "سارا",
        "last_name": f"نمونه {number}",
        "phones": [f"0999{number:07}"],
        "emails": [f"sara{number}@example.com", f"s{number}@example.com"],
    } | fields


async def test_10000_customers_are_opened_once_however_often_they_are_sent(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    items = [item(number) for number in range(10_000)]

    first = await sent(client, items)
    second = await sent(client, items)

    assert (first["created"], first["errors"]) == (10_000, 0)
    assert (second["unchanged"], second["errors"]) == (10_000, 0)
    assert [each["id"] for each in first["results"]] == [each["id"] for each in second["results"]]
    assert len(await published(runtime, CustomerCreated)) == 10_000
    seen = (await client.get(f"/v1/customers/{first['results'][77]['id']}")).json()
    assert (seen["last_name"], seen["phones"]) == ("نمونه 77", ["+989990000077"])
    assert seen["emails"] == ["sara77@example.com", "s77@example.com"]


async def test_requests_with_the_same_people_at_once_open_each_once(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    items = [item(number) for number in range(300)]

    answers = await asyncio.gather(*(sent(client, items[:: 1 if turn else -1]) for turn in range(3)))

    assert sum(answer["created"] for answer in answers) == 300
    assert sum(answer["unchanged"] for answer in answers) == 600
    assert len(await published(runtime, CustomerCreated)) == 300


async def test_what_is_given_anew_updates_and_what_is_left_out_stays(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await sent(client, [item(1, city="تهران"), item(2)])

    answer = await sent(
        client, [{"source": "crm", "external_id": "C-1", "city": "ری"}, {"source": "crm", "external_id": "C-2"}]
    )

    assert [each["status"] for each in answer["results"]] == ["updated", "unchanged"]
    seen = (await client.get(f"/v1/customers/{answer['results'][0]['id']}")).json()
    assert (seen["city"], seen["first_name"], seen["version"]) == ("ری", "سارا", 2)
    assert [event.fields for event in await published(runtime, CustomerUpdated)] == [("city",)]


async def test_items_with_one_number_are_one_person(client: httpx.AsyncClient) -> None:
    answer = await sent(
        client, [item(1), item(2, phones=["+989990000001"], source="shop"), item(3, external_id=None, source=None)]
    )

    assert [each["status"] for each in answer["results"]] == ["created", "updated", "created"]
    assert answer["results"][0]["id"] == answer["results"][1]["id"]
    seen = (await client.get(f"/v1/customers/{answer['results'][0]['id']}")).json()
    assert [each["source"] for each in seen["external_ids"]] == ["crm", "shop"]


async def test_each_item_that_does_not_fit_says_where_and_why_and_the_others_go_through(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await opened(client)
    answer = await sent(
        client,
        [
            item(0, phones=["12"]),
            item(1, phones=["0999000001", "+98 999 000 0001"]),
            {"first_name": "سارا"},
            item(3, source=None),
            item(4, birth_date_jalali="1403-12-31"),
            item(5, province="تهران"),
            item(6, emails=["no"]),
            [],
            item(8),
            item(8, external_id="C-9", phones=["09990000008", PHONE]),
            item(10, first_name="سارا\u0000"),
            item(11, birth_date="9999-01-01"),
            item(12, birth_date="0001-01-01"),
            item(13, birth_date_jalali="1590-01-01"),
            item(14, consent_at="0001-01-01T00:00:00+14:00"),
            item(15, locale="fa\n"),
            item(16, province="fars\n"),
            item(17, birth_date="1990-05-13", birth_date_jalali="1369-02-22"),
        ],
    )

    errors = {
        each["index"]: (each["errors"][0]["pointer"], each["errors"][0]["code"])
        for each in answer["results"]
        if each["status"] == "error"
    }
    assert errors == {
        0: ("/items/0/phones/0", "not_a_phone"),
        1: ("/items/1/phones/0", "not_a_phone"),
        2: ("/items/2/external_id", "missing"),
        3: ("/items/3/source", "missing"),
        4: ("/items/4/birth_date_jalali", "not_a_date"),
        5: ("/items/5/province", "wrong_value"),
        6: ("/items/6/emails/0", "not_an_email"),
        7: ("/items/7", "wrong_value"),
        9: ("/items/9/phones/1", "phone_taken"),
        10: ("/items/10/first_name", "unkeepable_text"),
        11: ("/items/11/birth_date", "not_a_date"),
        12: ("/items/12/birth_date", "not_a_date"),
        13: ("/items/13/birth_date_jalali", "in_the_future"),
        14: ("/items/14/consent_at", "too_early"),
        15: ("/items/15/locale", "wrong_value"),
        16: ("/items/16/province", "wrong_value"),
        17: ("/items/17/birth_date_jalali", "given_twice"),
    }
    assert len(await published(runtime, CustomerCreated)) == 2


async def test_one_who_goes_by_a_shared_number_alone_is_refused_as_a_repeat_would_be_another(
    client: httpx.AsyncClient,
) -> None:
    await opened(client, OTHER_PHONE, shared_phones=[PHONE])
    by_it_alone = [{"phones": [PHONE]}, {"phones": ["+989990007777"], "shared_phones": ["+989990007777"]}]
    beside_another_name = [
        {"phones": [PHONE, "+989990008888"]},
        {"phones": [PHONE], "source": "crm", "external_id": "C-1"},
    ]

    first, again = [await sent(client, [*by_it_alone, *beside_another_name]) for _ in range(2)]

    for answer, kept in ((first, "created"), (again, "unchanged")):
        assert [each["status"] for each in answer["results"]] == ["error", "error", kept, kept]
        assert answer["results"][0]["errors"] == [
            {
                "pointer": "/items/0/phones/0",
                "code": "phone_is_shared",
                "message": "is shared; name the customer by external_id",
            }
        ]


async def test_a_number_that_a_later_item_shares_is_shared_by_the_one_before_it_too(client: httpx.AsyncClient) -> None:
    await sent(client, [{"phones": [PHONE]}, {"phones": [OTHER_PHONE], "shared_phones": [PHONE]}])

    callers = (await client.get("/v1/customers/lookup", params={"phone": PHONE})).json()["items"]
    assert sorted(each["phones"] for each in callers) == [[], [OTHER_PHONE]]
    assert [each["shared_phones"] for each in callers] == [[PHONE], [PHONE]]


async def test_an_import_adopts_the_ids_of_leads(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = new_id()
    await deliver(runtime, card(person_id))

    answer = await sent(client, [item(1, phones=[PHONE])])

    assert answer["results"] == [{"index": 0, "status": "created", "id": str(person_id)}]


async def test_two_customers_who_have_the_numbers_of_one_lead_are_left_to_an_agent(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    named = {"source": "crm", "external_id": "C-1"}
    await opened(client, "+989990009999", **named)
    await deliver(runtime, card(new_id(), PHONE, OTHER_PHONE))
    items = [{"phones": [PHONE]}, {"phones": [OTHER_PHONE], **named}]
    results = (await client.post("/v1/customers/bulk", json=items)).json()["results"]

    assert [each["status"] for each in results] == ["created", "updated"]
    assert await published(runtime, CustomerMerged) == []
