from __future__ import annotations

import asyncio
import collections
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.customers.coupons.codes import LENGTH, LETTERS, new_code, read_code
from shared.clock import moved, utcnow
from shared.contracts.customers import CouponIssued, CouponRedeemed, CouponRefused
from shared.contracts.messaging import CouponRequested
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, PHONE, bought, opened
from tests.support.events import deliver, published


def requested(person_id: Any, **fields: Any) -> CouponRequested:
    return CouponRequested(
        request_id=new_id(),
        person_id=UUID(str(person_id)),
        reason="thank_you",
        occurred_at=utcnow(),
        **{"discount_percent": 10} | fields,
    )


async def issued(client: httpx.AsyncClient, person_id: str, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/v1/coupons", json={"person_id": person_id, "discount_percent": 10} | fields)
    assert reply.status_code == 201, reply.text
    coupon: dict[str, Any] = reply.json()
    return coupon


async def test_a_request_is_answered_with_one_coupon_however_often_it_comes(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    request = requested(person_id, valid_days=7)

    await deliver(runtime, request)
    await deliver(runtime, request)

    [event] = await published(runtime, CouponIssued)
    assert (event.request_id, str(event.person_id), event.discount_percent) == (request.request_id, person_id, 10)
    assert timedelta(days=6.99) < event.valid_until - utcnow() < timedelta(days=7)
    listed = (await client.get("/v1/coupons", params={"person_id": person_id})).json()["items"]
    assert [each["code"] for each in listed] == [event.code]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"discount_percent": None}, "one_discount_needed"),
        ({"discount_minor": 5}, "one_discount_needed"),
        ({"discount_percent": 0}, "wrong_percentage"),
        ({"discount_percent": 101}, "wrong_percentage"),
        ({"discount_percent": None, "discount_minor": 0}, "wrong_amount"),
        ({"valid_days": 0}, "wrong_validity"),
        ({"valid_days": 3_651}, "wrong_validity"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_by_an_event(
    runtime: Runtime, fields: dict[str, Any], reason: str
) -> None:
    request = requested(new_id(), **fields)

    await deliver(runtime, request)

    [refusal] = await published(runtime, CouponRefused)
    assert (refusal.request_id, refusal.reason) == (request.request_id, reason)
    assert await published(runtime, CouponIssued) == []


async def test_a_request_that_a_restored_database_answers_again_gives_the_same_coupon(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    """The person has its code already."""
    request = requested((await opened(client))["id"])
    await deliver(runtime, request)
    [first] = await published(runtime, CouponIssued)
    async with runtime.db.connection() as connection:
        await connection.execute("DELETE FROM coupons; DELETE FROM outbox")
    await deliver(runtime, request)

    [again] = await published(runtime, CouponIssued)
    assert (again.coupon_id, again.code) == (first.coupon_id, first.code)


async def test_of_100_redemptions_at_once_one_succeeds(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]
    body = {"person_id": person_id, "amount_minor": 1_000, "coupon_code": code}

    replies = await asyncio.gather(*(client.post("/v1/purchases", json=body) for _ in range(100)))

    count = collections.Counter((reply.status_code, reply.json().get("code")) for reply in replies)
    assert count == {(201, None): 1, (409, "coupon_already_used"): 99}
    assert len(await published(runtime, CouponRedeemed)) == 1


async def test_a_coupon_takes_its_share_off_and_is_known_by_its_purchase(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    coupon = await issued(client, person_id, discount_percent=15)

    typed = f" {coupon['code'][:5].lower()}-{coupon['code'][5:]} "
    purchase = await bought(client, person_id=person_id, amount_minor=999, coupon_code=typed)

    assert (purchase["discount_minor"], purchase["discount_origin"]) == (149, "coupon")
    used = (await client.get(f"/v1/coupons/{coupon['code']}")).json()
    assert (used["status"], used["purchase_id"]) == ("redeemed", purchase["id"])
    [event] = await published(runtime, CouponRedeemed)
    assert (str(event.coupon_id), str(event.purchase_id)) == (coupon["id"], purchase["id"])


async def test_what_the_till_says_it_took_off_is_what_was_taken_off(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]
    said = {"discount_minor": 30, "discount_origin": "reward"}

    purchase = await bought(client, person_id=person_id, amount_minor=1_000, coupon_code=code, **said)

    assert (purchase["discount_minor"], purchase["discount_origin"]) == (30, "reward")


async def test_an_amount_never_takes_off_more_than_the_purchase(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id, discount_percent=None, discount_minor=500))["code"]

    purchase = await bought(client, person_id=person_id, amount_minor=300, coupon_code=code)

    assert (purchase["discount_minor"], purchase["value_minor"]) == (300, 0)


async def test_a_coupon_is_refused_when_it_is_anothers_unknown_or_in_another_currency(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    one, two = (await opened(client))["id"], (await opened(client, OTHER_PHONE))["id"]
    code = (await issued(client, one, discount_percent=None, discount_minor=100, valid_days=1))["code"]

    async def refusal(**fields: Any) -> tuple[int, str]:
        body = {"person_id": one, "amount_minor": 500, "coupon_code": code} | fields
        reply = await client.post("/v1/purchases", json=body)
        return reply.status_code, reply.json()["code"]

    assert await refusal(person_id=two) == (409, "coupon_of_another")
    assert await refusal(coupon_code="XXXXXXXXXX") == (404, "coupon_not_found")
    assert await refusal(currency="USD") == (409, "coupon_of_another_currency")
    assert (await bought(client, person_id=one, amount_minor=500, coupon_code=code))["discount_minor"] == 100


async def test_a_percentage_is_good_in_any_currency(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]

    purchase = await bought(client, person_id=person_id, amount_minor=1_000, currency="USD", coupon_code=code)

    assert purchase["discount_minor"] == 100


async def test_an_expired_coupon_is_refused_unless_the_purchase_was_in_time(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    with moved(timedelta(days=-3)):
        await deliver(runtime, requested(person_id, valid_days=1))
    [coupon] = await published(runtime, CouponIssued)
    body = {"person_id": person_id, "amount_minor": 500, "coupon_code": coupon.code}

    late = await client.post("/v1/purchases", json=body | {"occurred_at": coupon.valid_until.isoformat()})
    last_moment = coupon.valid_until - timedelta(microseconds=1)
    in_time = await client.post("/v1/purchases", json=body | {"occurred_at": last_moment.isoformat()})

    assert (late.status_code, late.json()["code"]) == (409, "coupon_expired")
    assert in_time.status_code == 201


async def test_a_coupon_is_refused_for_a_purchase_from_before_it_was_issued(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]
    body = {"person_id": person_id, "amount_minor": 500, "coupon_code": code}
    early = body | {"occurred_at": "2026-01-01T00:00:00Z"}

    refused = await client.post("/v1/purchases", json=early)
    in_bulk = (await client.post("/v1/purchases/bulk", json=[early, body])).json()["results"]

    assert (refused.status_code, refused.json()["code"]) == (409, "coupon_not_yet_issued")
    assert [each["code"] for each in in_bulk[0]["errors"]] == ["coupon_not_yet_issued"]
    assert in_bulk[1]["status"] == "created"
    [event] = await published(runtime, CouponRedeemed)
    assert str(event.purchase_id) == in_bulk[1]["id"]


async def test_a_till_whose_clock_is_a_little_behind_redeems_what_was_issued_just_now(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    coupon = await issued(client, (await opened(client))["id"])
    behind = datetime.fromisoformat(coupon["issued_at"]) - timedelta(seconds=1)

    await bought(client, phone=PHONE, coupon_code=coupon["code"], occurred_at=behind.isoformat())

    [issue], [redemption] = await published(runtime, CouponIssued), await published(runtime, CouponRedeemed)
    assert redemption.occurred_at == issue.occurred_at


async def test_a_coupon_that_is_made_again_after_a_restore_is_good_for_what_was_bought_since_it_was_asked_for(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    with moved(timedelta(days=-2)):
        request = requested(person_id, valid_days=7)
    await deliver(runtime, request)
    [coupon] = await published(runtime, CouponIssued)

    yesterday = (utcnow() - timedelta(days=1)).isoformat()
    purchase = await bought(
        client, person_id=person_id, amount_minor=1_000, coupon_code=coupon.code, occurred_at=yesterday
    )

    assert (purchase["discount_minor"], coupon.occurred_at) == (100, request.occurred_at)


async def test_a_purchase_that_is_refused_leaves_the_coupon_good(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]
    taken = {"source": "shop", "external_id": "P-1"}
    await bought(client, person_id=person_id, **taken)

    reply = await client.post(
        "/v1/purchases", json={"person_id": person_id, "amount_minor": 7, "coupon_code": code} | taken
    )

    assert reply.status_code == 409
    assert (await client.get(f"/v1/coupons/{code}")).json()["status"] == "issued"


async def test_a_coupon_stays_used_when_its_purchase_is_cancelled(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    code = (await issued(client, person_id))["code"]
    purchase = await bought(client, person_id=person_id, coupon_code=code)

    await client.post(f"/v1/purchases/{purchase['id']}/cancel")

    assert (await client.get(f"/v1/coupons/{code}")).json()["status"] == "redeemed"


async def test_a_coupon_follows_its_person_through_a_merge(client: httpx.AsyncClient) -> None:
    one, two = (await opened(client))["id"], (await opened(client, OTHER_PHONE))["id"]
    code = (await issued(client, two))["code"]
    await client.post(f"/v1/customers/{one}/merge", json={"merged_id": two})

    purchase = await bought(client, phone=PHONE, amount_minor=1_000, coupon_code=code)

    assert purchase["discount_minor"] == 100


MISFITS: list[dict[str, Any]] = [
    {"discount_percent": None},
    {"discount_minor": 5},
    {"discount_percent": 0},
    {"discount_percent": 101},
    {"valid_days": 0},
    {"reason": "چون"},
    {"currency": "EUR"},
]


async def test_a_coupon_that_does_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]

    for body in MISFITS:
        reply = await client.post("/v1/coupons", json={"person_id": person_id, "discount_percent": 10} | body)

        assert reply.status_code == 422, (body, reply.text)


def test_codes_have_no_letters_that_are_mistaken_for_others() -> None:
    codes = {new_code() for _ in range(1_000)}

    assert len(codes) == 1_000
    assert {len(code) for code in codes} == {LENGTH}
    assert not set("".join(codes)) & set("IL1O0")
    assert set("".join(codes)) == set(LETTERS)


@pytest.mark.parametrize("typed", ["k7qm-x3na rw", "K7QMX3NARW", "K۷QMX۳NARW"])
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert read_code(typed) == "K7QMX3NARW"
