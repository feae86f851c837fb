from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx

from shared.clock import utcnow
from shared.contracts.customers import CustomerCreated, PurchaseCancelled, PurchaseRecorded, PurchaseRefunded
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, opened
from tests.support import api
from tests.support.events import published


async def test_a_purchase_is_published_with_its_lines(runtime: Runtime, client: httpx.AsyncClient) -> None:
    customer = await opened(client)
    lines = [
        {"product": "saffron-1g", "category": "spices", "quantity": "۲", "amount_minor": 2_000_000},
        {"product": "tea-500g", "amount_minor": 500_000},
    ]

    purchase = await bought(client, person_id=customer["id"], amount_minor=2_500_000, lines=lines, channel="shop")

    [event] = await published(runtime, PurchaseRecorded)
    assert (str(event.purchase_id), str(event.person_id)) == (purchase["id"], customer["id"])
    assert (event.amount_minor, event.currency, event.channel) == (2_500_000, "IRR", "shop")
    assert [(line.product, line.quantity, line.amount_minor) for line in event.lines] == [
        ("saffron-1g", "2", 2_000_000),
        ("tea-500g", "1", 500_000),
    ]
    read = (await client.get(f"/v1/purchases/{purchase['id']}")).json()
    assert read == purchase


async def test_a_quantity_is_told_alike_however_it_was_written(runtime: Runtime, client: httpx.AsyncClient) -> None:
    written = ["1.50", "۰۱.۵", 100, "0.10"]
    lines = [{"product": "tea", "quantity": each, "amount_minor": 1} for each in written]

    purchase = await bought(client, phone=PHONE, amount_minor=4, lines=lines)

    assert [line["quantity"] for line in purchase["lines"]] == ["1.5", "1.5", "100", "0.1"]
    assert (await client.get(f"/v1/purchases/{purchase['id']}")).json() == purchase
    [event] = await published(runtime, PurchaseRecorded)
    assert [line.quantity for line in event.lines] == ["1.5", "1.5", "100", "0.1"]


async def test_a_purchase_of_value_0_is_one_and_two_equal_ones_are_two(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    first = await bought(client, phone=PHONE, amount_minor=0, occurred_at="1997-01-01T12:00:00+03:30")
    second = await bought(client, phone=PHONE, amount_minor=0, occurred_at="1997-01-01T12:00:00+03:30")

    assert first["id"] != second["id"]
    assert first["person_id"] == second["person_id"]
    assert len(await published(runtime, PurchaseRecorded)) == 2


async def test_a_discount_is_a_promotion_unless_it_says_otherwise(client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE, amount_minor=500, discount_minor=100)

    assert purchase["discount_origin"] == "promotion"


async def test_a_repeat_of_an_external_id_changes_nothing(runtime: Runtime, client: httpx.AsyncClient) -> None:
    body = {"phone": PHONE, "source": "shop", "external_id": "P-1", "amount_minor": 5}

    replies = [await client.post("/v1/purchases", json=body) for _ in range(2)]
    other = await client.post("/v1/purchases", json=body | {"amount_minor": 6})

    assert [reply.status_code for reply in replies] == [201, 200]
    assert replies[0].json() == replies[1].json()
    assert (other.status_code, other.json()["code"]) == (409, "external_id_taken")
    assert len(await published(runtime, PurchaseRecorded)) == 1


async def test_equal_external_ids_at_once_make_one_purchase_of_one_customer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    body = {"customer_external_id": "C-1", "source": "shop", "external_id": "P-1", "amount_minor": 5}

    replies = await asyncio.gather(*(client.post("/v1/purchases", json=body) for _ in range(8)))

    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(await published(runtime, CustomerCreated)) == 1


async def test_purchases_at_once_by_one_unknown_number_open_one_customer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    replies = await asyncio.gather(
        *(client.post("/v1/purchases", json={"phone": PHONE, "amount_minor": each}) for each in range(8))
    )

    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["person_id"] for reply in replies}) == 1
    assert len(await published(runtime, CustomerCreated)) == 1
    assert len(await published(runtime, PurchaseRecorded)) == 8


GOOD: dict[str, Any] = {"phone": PHONE, "amount_minor": 100}


MISFITS: list[tuple[dict[str, Any], str, str]] = [
    ({"occurred_at": "2999-01-01T00:00:00Z"}, "/occurred_at", "in_the_future"),
    ({"occurred_at": "1899-12-31T00:00:00Z"}, "/occurred_at", "too_early"),
    ({"phone": None}, "/person_id", "missing"),
    ({"person_id": "0193a1c0-7d00-7000-8000-000000000002"}, "/person_id", "named_twice"),
    ({"phone": "12"}, "/phone", "not_a_phone"),
    ({"phone": "30007732000000"}, "/phone", "line_number"),
    ({"currency": "EUR"}, "/currency", "unknown_currency"),
    ({"amount_minor": None}, "/amount_minor", "missing"),
    ({"discount_minor": 101}, "/discount_minor", "above_amount"),
    ({"discount_minor": 0, "discount_origin": "promotion"}, "/discount_origin", "no_discount"),
    ({"discount_origin": "promotion"}, "/discount_origin", "no_discount"),
    ({"lines": [{"product": "tea", "amount_minor": 99}]}, "/amount_minor", "not_the_sum"),
    ({"lines": [{"product": "tea", "amount_minor": 100, "quantity": "0"}]}, "/lines/0/quantity", "wrong_value"),
    ({"lines": [{"product": "tea", "amount_minor": 100, "quantity": "-1"}]}, "/lines/0/quantity", "wrong_value"),
    ({"external_id": "P-1"}, "/source", "missing"),
    ({"customer_external_id": "C-1"}, "/customer_source", "missing"),
]
IMPOSSIBLE: list[dict[str, Any]] = [
    {"amount_minor": -1},
    {"amount_minor": 2**53},
    {"amount_minor": 1.5},
    {"amount_minor": True},
    {"amount_minor": "5"},
    {"discount_minor": True},
    {"lines": [{"product": "زعفران", "amount_minor": 100}]},
    {"lines": [{"product": "tea", "amount_minor": 100, "quantity": True}]},
    {"occurred_at": "2026-01-01T00:00:00"},
    {"discount_origin": "luck"},
    {"external_id": "P\u0000", "source": "shop"},
    {"surprise": 1},
]


async def test_a_purchase_that_does_not_fit_is_refused_by_field_and_leaves_nothing(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for change, pointer, code in MISFITS:
        reply = await client.post("/v1/purchases", json=GOOD | change)

        assert reply.status_code == 422, reply.text
        assert (pointer, code) in [(error["pointer"], error["code"]) for error in reply.json()["errors"]]
    assert await published(runtime) == []


async def test_what_no_purchase_can_be_is_refused(client: httpx.AsyncClient) -> None:
    for change in IMPOSSIBLE:
        reply = await client.post("/v1/purchases", json=GOOD | change)

        assert reply.status_code == 422, (change, reply.text)


async def test_currencies_are_configured(runtime: Runtime, client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE, currency="USD", amount_minor=1_233)

    assert (purchase["currency"], runtime.settings.currencies) == ("USD", {"IRR": 0, "USD": 2})


async def test_a_purchase_by_an_unknown_person_is_refused(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/purchases", json={"person_id": str(new_id()), "amount_minor": 1})

    assert (reply.status_code, reply.json()["code"]) == (404, "customer_not_found")


async def test_a_shared_number_does_not_say_who_bought(client: httpx.AsyncClient) -> None:
    for name in ("سارا", "نازنین"):
        await opened(client, OTHER_PHONE if name == "سارا" else PHONE, shared_phones=["+989990009999"])

    reply = await client.post("/v1/purchases", json={"phone": "+989990009999", "amount_minor": 1})

    assert (reply.status_code, reply.json()["code"]) == (409, "phone_is_shared")


async def test_refunds_at_once_never_exceed_what_was_paid(runtime: Runtime, client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE, amount_minor=100, discount_minor=10)

    replies = await asyncio.gather(
        *(client.post(f"/v1/purchases/{purchase['id']}/refunds", json={"amount_minor": 40}) for _ in range(5))
    )
    last = await client.post(f"/v1/purchases/{purchase['id']}/refunds", json={"amount_minor": 10})
    beyond = await client.post(f"/v1/purchases/{purchase['id']}/refunds", json={"amount_minor": 1})

    assert sorted(reply.status_code for reply in replies) == [201, 201, 409, 409, 409]
    assert (last.json()["value_minor"], last.json()["refunded_minor"]) == (0, 90)
    assert (beyond.status_code, beyond.json()["code"]) == (409, "refund_too_large")
    assert [event.amount_minor for event in await published(runtime, PurchaseRefunded)] == [40, 40, 10]


async def test_a_refund_of_nothing_is_refused(client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE)

    for amount in (0, -5, "many", None):
        reply = await client.post(f"/v1/purchases/{purchase['id']}/refunds", json={"amount_minor": amount})

        assert reply.status_code == 422, amount


async def test_a_refund_that_cannot_have_been_given_then_is_refused(client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE, amount_minor=100)

    for at, code in (("2999-01-01T00:00:00Z", "in_the_future"), ("1899-12-31T00:00:00Z", "too_early")):
        body = {"amount_minor": 1, "occurred_at": at}
        reply = await client.post(f"/v1/purchases/{purchase['id']}/refunds", json=body)

        assert [(each["pointer"], each["code"]) for each in reply.json()["errors"]] == [("/occurred_at", code)]


async def test_a_refund_from_before_the_purchase_is_refused(runtime: Runtime, client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=PHONE, amount_minor=100, occurred_at="2026-02-01T09:00:00Z")
    refunds = f"/v1/purchases/{purchase['id']}/refunds"

    early = await client.post(refunds, json={"amount_minor": 1, "occurred_at": "2026-01-31T09:00:00Z"})
    by_a_slow_clock = await client.post(refunds, json={"amount_minor": 2, "occurred_at": "2026-02-01T08:59:58Z"})

    assert (early.status_code, early.json()["code"]) == (409, "refund_before_purchase")
    assert "2026-02-01T09:00:00" in early.json()["detail"]
    assert [each["occurred_at"] for each in by_a_slow_clock.json()["refunds"]] == ["2026-02-01T09:00:00Z"]
    [event] = await published(runtime, PurchaseRefunded)
    assert (event.amount_minor, event.occurred_at) == (2, event.purchased_at)


async def test_a_purchase_that_does_not_fit_is_told_so_in_persian_too(client: httpx.AsyncClient) -> None:
    for change, _, _ in MISFITS:
        reply = await client.post("/v1/purchases", json=GOOD | change, headers={"Accept-Language": "fa"})

        said = [reply.json()["detail"], *(error["message"] for error in reply.json()["errors"])]
        assert [text for text in said if not re.search("[آ-ی]", text)] == [], change


async def test_a_purchase_is_cancelled_once_and_takes_no_refund_after(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    purchase = await bought(client, phone=PHONE)

    replies = await asyncio.gather(*(client.post(f"/v1/purchases/{purchase['id']}/cancel") for _ in range(3)))
    refund = await client.post(f"/v1/purchases/{purchase['id']}/refunds", json={"amount_minor": 1})

    assert {(reply.status_code, reply.json()["status"]) for reply in replies} == {(200, "cancelled")}
    assert (refund.status_code, refund.json()["code"]) == (409, "purchase_cancelled")
    assert len(await published(runtime, PurchaseCancelled)) == 1


async def test_purchases_are_listed_by_customer_product_and_time(client: httpx.AsyncClient) -> None:
    tea = [{"product": "tea", "amount_minor": 1}]
    one = await bought(client, phone=PHONE, amount_minor=1, lines=tea, occurred_at="2026-01-01T00:00:00Z")
    two = await bought(client, phone=PHONE, amount_minor=1, occurred_at="2026-02-01T00:00:00Z")
    three = await bought(client, phone=OTHER_PHONE, amount_minor=1, lines=tea, occurred_at="2026-03-01T00:00:00Z")

    async def ids(**params: str) -> list[str]:
        return [each["id"] for each in (await client.get("/v1/purchases", params=params)).json()["items"]]

    assert await ids() == [three["id"], two["id"], one["id"]]
    assert await ids(person_id=one["person_id"]) == [two["id"], one["id"]]
    assert await ids(product="tea") == [three["id"], one["id"]]
    assert await ids(**{"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}) == [two["id"]]
    first = (await client.get("/v1/purchases", params={"limit": 2, "sort": "occurred_at"})).json()
    rest = await client.get("/v1/purchases", params={"sort": "occurred_at", "cursor": first["next_cursor"]})
    assert [each["id"] for each in first["items"] + rest.json()["items"]] == [one["id"], two["id"], three["id"]]


async def test_a_till_whose_clock_is_a_little_ahead_is_taken_at_our_time(client: httpx.AsyncClient) -> None:
    ahead = utcnow() + timedelta(seconds=2)

    purchase = await bought(client, phone=PHONE, occurred_at=ahead.isoformat())

    assert purchase["occurred_at"] < ahead.isoformat()


async def test_reading_takes_a_scope_and_writing_another(runtime: Runtime) -> None:
    async with api.client(runtime, ["customers:read"]) as reader:
        assert (await reader.get("/v1/purchases")).status_code == 200
        assert (await reader.post("/v1/purchases", json=GOOD)).status_code == 403
