from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec

from shared.clock import utcnow
from shared.contracts.customers import CouponIssued, CouponRedeemed, CustomerCreated, PurchaseRecorded
from shared.contracts.messaging import CouponRequested
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, card, opened
from tests.support.events import deliver, published, turn


async def sent(client: httpx.AsyncClient, items: list[Any]) -> dict[str, Any]:
    reply = await client.post("/v1/purchases/bulk", json={"items": items})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "source": "cdnow",
        "external_id": f"line-{number}",
        "customer_external_id": f"C-{number % 100}",
        "occurred_at": "1997-01-01T12:00:00+03:30",
        "amount_minor": number,
        "currency": "USD",
    } | fields


async def test_10000_purchases_are_recorded_once_however_often_they_are_sent(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    items = [item(number) for number in range(10_000)]

    first = await sent(client, items)
    second = await sent(client, items)

    assert (first["created"], first["errors"]) == (10_000, 0)
    assert (second["created"], second["unchanged"]) == (0, 10_000)
    assert [each["id"] for each in first["results"]] == [each["id"] for each in second["results"]]
    assert len(await published(runtime, CustomerCreated)) == 100
    recorded = await published(runtime, PurchaseRecorded)
    assert sum(event.amount_minor for event in recorded) == sum(range(10_000))
    assert await turn(runtime, "classify customers") == 100


async def test_two_requests_with_the_same_items_at_once_record_each_once(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    items = [item(number) for number in range(500)]

    answers = await asyncio.gather(sent(client, items), sent(client, items[::-1]))

    assert sum(answer["created"] for answer in answers) == 500
    assert sum(answer["unchanged"] for answer in answers) == 500
    assert len(await published(runtime, PurchaseRecorded)) == 500
    assert len(await published(runtime, CustomerCreated)) == 100


async def test_ndjson_is_taken_too(client: httpx.AsyncClient) -> None:
    body = b"\n".join(msgspec.json.encode(item(number)) for number in range(3))

    reply = await client.post("/v1/purchases/bulk", content=body, headers={"content-type": "application/x-ndjson"})

    assert reply.json()["created"] == 3


async def test_each_item_that_does_not_fit_says_where_and_why_and_the_others_go_through(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    known = await opened(client)
    items = [
        item(0, amount_minor=-1),
        item(1, occurred_at="2999-01-01T00:00:00Z"),
        item(2, customer_external_id=None, person_id=str(new_id())),
        item(3, customer_external_id=None, person_id=known["id"]),
        item(4, lines=[{"product": "cd", "amount_minor": 3}]),
        item(5, customer_external_id=None, phone="۰۹۹۹۰۰۰۱۲۳۴"),
        item(6, customer_external_id=None, phone="021"),
        item(7, currency="EUR"),
        "nothing",
        item(9, lines=[{"product": "cd", "amount_minor": "x"}]),
    ]

    answer = await sent(client, items)

    assert [each["status"] for each in answer["results"]] == [
        "error", "error", "error", "created", "error", "created", "error", "error", "error", "error",
    ]  # fmt: skip
    assert {each["index"]: each["errors"][0]["pointer"] for each in answer["results"] if each["status"] == "error"} == {
        0: "/items/0/amount_minor",
        1: "/items/1/occurred_at",
        2: "/items/2/person_id",
        4: "/items/4/amount_minor",
        6: "/items/6/phone",
        7: "/items/7/currency",
        8: "/items/8",
        9: "/items/9/lines/0/amount_minor",
    }
    assert {str(event.person_id) for event in await published(runtime, PurchaseRecorded)} == {known["id"]}


async def test_an_external_id_that_comes_twice_in_one_request_is_one_purchase(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    answer = await sent(client, [item(1), item(1), item(1, amount_minor=2), item(2, amount_minor=-1), item(2)])

    assert [each["status"] for each in answer["results"]] == ["created", "unchanged", "error", "error", "created"]
    assert answer["results"][0]["id"] == answer["results"][1]["id"]
    assert answer["results"][2]["errors"][0]["code"] == "external_id_taken"
    assert len(await published(runtime, PurchaseRecorded)) == 2


async def test_10000_items_with_one_external_id_are_one_purchase(runtime: Runtime, client: httpx.AsyncClient) -> None:
    answer = await sent(client, [item(1)] * 10_000)

    assert (answer["created"], answer["unchanged"]) == (1, 9_999)
    assert len(await published(runtime, PurchaseRecorded)) == 1


async def test_equal_purchases_without_external_ids_are_distinct(runtime: Runtime, client: httpx.AsyncClient) -> None:
    plain = {"phone": PHONE, "amount_minor": 0, "occurred_at": "1997-01-01T12:00:00Z"}

    answer = await sent(client, [plain, plain])

    assert answer["created"] == 2
    assert len({each["id"] for each in answer["results"]}) == 2


async def test_a_coupon_is_redeemed_by_the_first_item_that_names_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    other = (await opened(client, OTHER_PHONE))["id"]
    coupon = (await client.post("/v1/coupons", json={"person_id": person_id, "discount_percent": 10})).json()
    code = {"amount_minor": 1_000, "coupon_code": coupon["code"]}

    answer = await sent(
        client, [{"person_id": other} | code, {"person_id": person_id} | code, {"person_id": person_id} | code]
    )

    assert [each["errors"][0]["code"] if "errors" in each else each["status"] for each in answer["results"]] == [
        "coupon_of_another",
        "created",
        "coupon_already_used",
    ]
    assert len(await published(runtime, CouponRedeemed)) == 1


async def test_nobody_is_opened_for_a_purchase_that_is_refused_for_its_coupon(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    by_id, by_number = new_id(), new_id()
    await deliver(runtime, card(by_id, OTHER_PHONE))
    await deliver(runtime, card(by_number, "+989990000007"))
    theirs = CouponRequested(
        request_id=new_id(), person_id=by_number, discount_percent=10, reason="welcome", occurred_at=utcnow()
    )
    await deliver(runtime, theirs)
    [coupon] = await published(runtime, CouponIssued)
    code = {"amount_minor": 1_000, "coupon_code": coupon.code}

    answer = await sent(
        client,
        [
            {"phone": PHONE} | code,
            {"phone": "+989990000008", "amount_minor": 1, "coupon_code": "XXXXXXXXXX"},
            {"person_id": str(by_id)} | code,
            {"phone": "+989990000007", "occurred_at": "2026-01-01T00:00:00Z"} | code,
        ],
    )
    opened_for_refused = await published(runtime, CustomerCreated)
    bought_by_lead = await sent(client, [{"phone": "+989990000007"} | code])

    assert [each["errors"][0]["code"] for each in answer["results"]] == [
        "coupon_of_another",
        "coupon_not_found",
        "coupon_of_another",
        "coupon_not_yet_issued",
    ]
    assert opened_for_refused == []
    assert bought_by_lead["created"] == 1
    assert [event.person_id for event in await published(runtime, CustomerCreated)] == [by_number]


async def test_a_purchase_of_somebody_erased_is_refused_and_its_repeat_does_not_bring_them_back(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await sent(client, [item(1)]), await published(runtime, CustomerCreated))[1][0].person_id
    await client.delete(f"/v1/customers/{person_id}")

    repeated = await sent(client, [item(1)])
    named = await sent(client, [item(2, customer_external_id=None, person_id=str(person_id))])

    assert repeated["unchanged"] == 1
    assert named["results"][0]["errors"][0]["code"] == "person_erased"
    assert len(await published(runtime, CustomerCreated)) == 1


async def test_too_many_items_and_no_items_are_refused_whole(client: httpx.AsyncClient) -> None:
    many = await client.post("/v1/purchases/bulk", json=[{}] * 10_001)
    none = await client.post("/v1/purchases/bulk", json={"purchases": []})
    broken = await client.post("/v1/purchases/bulk", content=b"[{]")

    assert [reply.status_code for reply in (many, none, broken)] == [413, 422, 422]


async def test_single_and_bulk_know_the_same_external_ids(client: httpx.AsyncClient) -> None:
    body = item(1)
    purchase = await bought(client, **body)

    answer = await sent(client, [body])

    assert (answer["results"][0]["status"], answer["results"][0]["id"]) == ("unchanged", purchase["id"])
