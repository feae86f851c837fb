from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerClassified, CustomerStageChanged
from shared.contracts.surveys import SurveyAnswered
from shared.ids import new_id
from shared.service import Runtime
from tests.customers.people import OTHER_PHONE, bought, opened
from tests.support.events import deliver, published, turn

CLOCK = "classify customers"


async def types_of(client: httpx.AsyncClient, person_id: str) -> tuple[set[str], str]:
    customer = (await client.get(f"/v1/customers/{person_id}")).json()
    return set(customer["types"]), customer["stage"]


def days_ago(days: float) -> str:
    return (utcnow() - timedelta(days=days)).isoformat()


async def test_the_passing_of_time_alone_makes_a_customer_former_at_the_right_instant(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    purchase = await bought(client, phone=OTHER_PHONE)
    await turn(runtime, CLOCK)
    at = datetime.fromisoformat(purchase["occurred_at"])

    with moved(timedelta(days=100)):
        await turn(runtime, CLOCK)

    changes = [(event.after, event.occurred_at) for event in await published(runtime, CustomerClassified)]
    tick = timedelta(microseconds=1)
    assert changes[1:] == [
        (("actual",), at + timedelta(days=30) + tick),
        (("actual", "former"), at + timedelta(days=90) + tick),
    ]
    assert [event.after for event in await published(runtime, CustomerStageChanged)] == ["conversion", "lapsed"]
    assert await types_of(client, purchase["person_id"]) == ({"actual", "former"}, "lapsed")


async def test_a_former_customer_returns_to_retention_with_the_next_purchase(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    purchase = await bought(client, phone=OTHER_PHONE, occurred_at=days_ago(200))
    await turn(runtime, CLOCK)
    before = await types_of(client, purchase["person_id"])

    await bought(client, phone=OTHER_PHONE)
    await turn(runtime, CLOCK)

    assert before == ({"actual", "former"}, "lapsed")
    assert await types_of(client, purchase["person_id"]) == ({"actual"}, "retention")


async def test_a_cancelled_purchase_counts_as_if_it_had_not_been(runtime: Runtime, client: httpx.AsyncClient) -> None:
    purchase = await bought(client, phone=OTHER_PHONE)
    await turn(runtime, CLOCK)

    await client.post(f"/v1/purchases/{purchase['id']}/cancel")
    await turn(runtime, CLOCK)

    assert await types_of(client, purchase["person_id"]) == ({"potential"}, "reach")


async def test_a_bad_answer_ends_loyalty_and_a_better_one_brings_it_back(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    for days in (1, 2, 3, 4):
        await bought(client, person_id=person_id, occurred_at=days_ago(days))
    await turn(runtime, CLOCK)
    before = await types_of(client, person_id)

    await deliver(runtime, answered(person_id, "unsatisfied", minutes_ago=10))
    await turn(runtime, CLOCK)
    after_bad = await types_of(client, person_id)
    await deliver(runtime, answered(person_id, "satisfied", minutes_ago=5))
    await deliver(runtime, answered(person_id, "unsatisfied", minutes_ago=20))
    await turn(runtime, CLOCK)

    assert before == ({"actual", "regular", "loyal"}, "loyalty")
    assert after_bad == ({"actual", "regular"}, "retention")
    assert await types_of(client, person_id) == ({"actual", "regular", "loyal"}, "loyalty")


async def test_how_easy_it_was_says_nothing_of_loyalty(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    for days in (1, 2, 3, 4):
        await bought(client, person_id=person_id, occurred_at=days_ago(days))
    await deliver(runtime, answered(person_id, "unsatisfied", minutes_ago=10))
    await deliver(runtime, answered(person_id, "easy", minutes_ago=5, kind="ces", scale="1-7"))
    await turn(runtime, CLOCK)

    assert await types_of(client, person_id) == ({"actual", "regular"}, "retention")


async def test_what_somebody_answered_under_another_id_of_theirs_counts(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id, other = (await opened(client))["id"], (await opened(client, OTHER_PHONE))["id"]
    for days in (1, 2, 3, 4):
        await bought(client, person_id=person_id, occurred_at=days_ago(days))
    await deliver(runtime, answered(other, "unsatisfied", minutes_ago=5))
    await client.post(f"/v1/customers/{person_id}/merge", json={"merged_id": other})
    await turn(runtime, CLOCK)

    assert await types_of(client, person_id) == ({"actual", "regular"}, "retention")


def answered(person_id: str, category: Any, *, minutes_ago: float, **fields: Any) -> SurveyAnswered:
    return SurveyAnswered(
        person_id=UUID(person_id),
        survey_id=new_id(),
        survey="csat",
        answer_id=new_id(),
        invitation_id=new_id(),
        value=2,
        category=category,
        channel="sms",
        occurred_at=utcnow() - timedelta(minutes=minutes_ago),
        **{"kind": "csat", "scale": "1-5"} | fields,
    )


async def test_a_promotion_that_took_nothing_off_is_no_discount(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client))["id"]
    for _ in range(2):
        coupon = (await client.post("/v1/coupons", json={"person_id": person_id, "discount_percent": 1})).json()
        worth_nothing = {"coupon_code": coupon["code"], "discount_origin": "promotion"}
        await bought(client, person_id=person_id, amount_minor=5, **worth_nothing)
    await turn(runtime, CLOCK)

    assert await types_of(client, person_id) == ({"actual"}, "retention")


async def test_our_own_coupons_do_not_make_a_discount_seeker_and_promotions_do(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    own = (await opened(client))["id"]
    promoted = (await opened(client, OTHER_PHONE))["id"]
    for days in (1, 2):
        for person_id, origin in ((own, "coupon"), (promoted, "promotion")):
            await bought(
                client,
                person_id=person_id,
                occurred_at=days_ago(days),
                discount_minor=1_000,
                discount_origin=origin,
            )
    await turn(runtime, CLOCK)

    assert "discount_seeking" not in (await types_of(client, own))[0]
    assert "discount_seeking" in (await types_of(client, promoted))[0]


async def test_types_set_by_hand_stay_whatever_is_computed(runtime: Runtime, client: httpx.AsyncClient) -> None:
    person_id = (await opened(client, hand_types=["internal"]))["id"]
    await bought(client, person_id=person_id, intermediary_id=str(new_id()))
    await turn(runtime, CLOCK)

    assert (await types_of(client, person_id))[0] == {"actual", "new", "internal", "external"}


async def test_the_order_in_which_purchases_arrive_does_not_matter(runtime: Runtime, client: httpx.AsyncClient) -> None:
    history = [(1, None), (80, "promotion"), (200, None), (364, "promotion"), (500, None), (900, None)]
    verdicts = []
    for seed in range(4):
        shuffled = random.Random(seed).sample(history, len(history))
        person_id = (await opened(client, f"+98999000{seed:04}"))["id"]
        for days, origin in shuffled:
            discount = {"discount_minor": 10, "discount_origin": origin} if origin else {}
            await bought(client, person_id=person_id, occurred_at=days_ago(days), **discount)
            if seed % 2:
                await turn(runtime, CLOCK)
        await turn(runtime, CLOCK)
        verdicts.append(await types_of(client, person_id))

    assert verdicts == [({"actual", "regular", "loyal"}, "loyalty")] * 4


async def test_a_turn_without_a_change_publishes_nothing(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await bought(client, phone=OTHER_PHONE)
    await turn(runtime, CLOCK)
    before = len(await published(runtime))

    with moved(timedelta(days=2)):
        assert await turn(runtime, CLOCK) == 1

    assert len(await published(runtime)) == before


async def test_purchases_while_clocks_turn_are_all_seen_and_no_change_is_published_twice(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    person_id = (await opened(client))["id"]
    for _ in range(3):
        await asyncio.gather(
            turn(runtime, CLOCK),
            *(bought(client, person_id=person_id) for _ in range(3)),
            turn(runtime, CLOCK),
        )
    await turn(runtime, CLOCK)

    assert await types_of(client, person_id) == ({"actual", "regular", "loyal"}, "loyalty")
    changes = await published(runtime, CustomerClassified)
    assert [set(event.after) for event in changes[:-1]] == [set(event.before) for event in changes[1:]]
    assert all(set(event.before) != set(event.after) for event in changes)
