"""Figures of purchases, on a story worked by hand. Jalali month Farvardin 1405 is 21 March to 20 April 2026.

| who  | when (2026) | amount | discount | refunded | channel |
|------|-------------|--------|----------|----------|---------|
| ana  | 25 Mar      | 1000   | 100      |          | shop    |
| ana  | 5 Apr       | 500    |          | 200      | web     |
| bea  | 1 Apr       | 300    |          |          | web     |
| cyr  | 2 Apr       | 0      |          |          | web     |
| bea  | 25 Apr      | 701    |          |          | shop    |
| dan  | 26 Apr      | 99     |          |          | web     |

Farvardin: 4 purchases of 3 buyers, ana twice. Net 900 + 500 + 300 + 0 = 1700, refunded 200.
Ordibehesht (21 April to 21 May): 2 purchases of 2 buyers. Net 800. Bought in both months: bea, of 3.
"""

from __future__ import annotations

import httpx
import pytest
from msgspec.structs import replace

from services.metrics.app import SERVICE
from shared.contracts import Event
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.metrics.facts import ask, merge, points, purchase, refund, values
from tests.support import api
from tests.support.events import deliver, turn

REFUNDED = purchase("ana", "2026-04-05", 500, channel="web")
STORY: list[Event] = [
    purchase("ana", "2026-03-25", 1000, discount_minor=100, discount_origin="promotion", channel="shop"),
    REFUNDED,
    refund(REFUNDED, 200),
    purchase("bea", "2026-04-01", 300, channel="web"),
    purchase("cyr", "2026-04-02", 0, channel="web"),
    purchase("bea", "2026-04-25", 701, channel="shop"),
    purchase("dan", "2026-04-26", 99, channel="web"),
]
TWO_MONTHS = {"from_": "1405-01-01", "to": "1405-03-01", "interval": "month"}


@pytest.fixture
async def told(runtime: Runtime) -> Runtime:
    await deliver(runtime, *STORY)
    await turn(runtime, "fold")
    return runtime


async def test_purchases_and_revenue_are_counted_by_month(told: Runtime, client: httpx.AsyncClient) -> None:
    assert await values(client, "purchases", **TWO_MONTHS) == [4, 2]
    assert await values(client, "revenue", **TWO_MONTHS) == [1500, 800]


async def test_order_value_is_amount_less_discount_over_all_that_count(
    told: Runtime, client: httpx.AsyncClient
) -> None:
    """A refund lowers no order's value, and a purchase of value 0 is a purchase: 1700 / 4 and 800 / 2."""
    found = await points(client, "average_order_value", **TWO_MONTHS)

    assert [point["value"] for point in found] == [425, 400]
    assert found[0]["parts"] == {"value_minor": 1700, "purchases": 4}


async def test_lifetime_value_is_of_all_before_the_end(told: Runtime, client: httpx.AsyncClient) -> None:
    """After Farvardin 1500 of 3 customers; after Ordibehesht 2300 of 4."""
    found = await points(client, "clv_historical", **TWO_MONTHS)

    assert [point["value"] for point in found] == [500, 575]
    assert found[1]["parts"] == {"value_minor": 2300, "customers": 4, "margin": 1.0}
    assert await values(client, "clv_historical", from_="1405-02-01", to="1405-03-01") == [575]


async def test_lifetime_value_takes_the_margin(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(SERVICE, margin=0.5)
    await deliver(runtime, *STORY)
    await turn(runtime, "fold")

    async with api.client(runtime) as http:
        assert await values(http, "clv_historical", **TWO_MONTHS) == [250, 287.5]


async def test_repeat_rate_is_of_those_who_bought_in_the_period(told: Runtime, client: httpx.AsyncClient) -> None:
    """Farvardin: ana of three. Ordibehesht: nobody of two. Both together: ana and bea of four."""
    found = await points(client, "repeat_purchase_rate", **TWO_MONTHS)
    whole = await ask(client, "repeat_purchase_rate", from_="1405-01-01", to="1405-03-01")

    assert [point["parts"] for point in found] == [{"buyers": 3, "repeat_buyers": 1}, {"buyers": 2, "repeat_buyers": 0}]
    assert [point["value"] for point in found] == [100 / 3, 0]
    assert (whole["computed"], whole["points"][0]["value"]) == ("on_demand", 50)


async def test_purchase_retention_is_who_came_again_the_next_month(told: Runtime, client: httpx.AsyncClient) -> None:
    found = await points(client, "purchase_retention", **TWO_MONTHS)

    assert [point["value"] for point in found] == [None, 100 / 3]
    assert found[1]["parts"] == {"bought_before": 3, "bought_again": 1}


async def test_purchase_retention_of_an_odd_span_is_against_as_many_days_before(
    told: Runtime, client: httpx.AsyncClient
) -> None:
    """The 30 days from 31 March follow 1 to 30 March, when ana bought; of the two spans she bought in both."""
    answered = await ask(client, "purchase_retention", from_="2026-03-31", to="2026-04-30")

    assert answered["computed"] == "on_demand"
    assert answered["points"][0]["parts"] == {"bought_before": 1, "bought_again": 1}


async def test_time_between_purchases_is_the_median_in_days(told: Runtime, client: httpx.AsyncClient) -> None:
    """Ana came again after 11 days, bea after 24: each in its month, and 17.5 over both."""
    assert await values(client, "time_between_purchases", **TWO_MONTHS) == [11, 24]
    assert await values(client, "time_between_purchases", from_="1405-01-01", to="1405-03-01") == [17.5]
    assert await values(client, "time_between_purchases", from_="1404-01-01", to="1405-01-01") == [None]


async def test_purchases_are_split_by_channel(told: Runtime, client: httpx.AsyncClient) -> None:
    found = await points(client, "revenue", **TWO_MONTHS, by="channel")

    assert [(point["by"], point["from"], point["value"]) for point in found] == [
        ("shop", "1405-01-01", 900),
        ("web", "1405-01-01", 600),
        ("shop", "1405-02-01", 701),
        ("web", "1405-02-01", 99),
    ]


async def test_money_of_different_currencies_is_not_pooled(told: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(told, purchase("eve", "2026-04-03", 77, currency="EUR"))
    await turn(told, "fold")

    assert await values(client, "revenue", **TWO_MONTHS) == [1500, 800]
    assert await values(client, "revenue", **TWO_MONTHS, currency="EUR") == [77, 0]
    assert await values(client, "average_order_value", **TWO_MONTHS, currency="EUR") == [77, None]
    assert await values(client, "purchases", **TWO_MONTHS) == [5, 2]
    split = await points(client, "revenue", from_="1405-01-01", to="1405-02-01", by="currency")
    assert [(point["by"], point["value"]) for point in split] == [("EUR", 77), ("IRR", 1500)]


async def test_sums_beyond_what_json_numbers_hold_are_text(runtime: Runtime, client: httpx.AsyncClient) -> None:
    huge = 2**62
    await deliver(runtime, purchase("rich", "2026-04-01", huge), purchase("richer", "2026-04-01", huge))
    await turn(runtime, "fold")

    assert await values(client, "revenue", from_="1405-01-01", to="1405-02-01") == [str(2 * huge)]


async def test_two_ids_of_one_person_are_one_customer(told: Runtime, client: httpx.AsyncClient) -> None:
    """Dan turns out to be cyr, in a chain over an id that has bought nothing: 3 customers, who came again in May."""
    await deliver(told, merge("cyr", "alias"), merge("alias", "dan"))
    await turn(told, "fold")

    assert await values(client, "clv_historical", from_="1405-01-01", to="1405-03-01") == [2300 / 3]
    assert await values(client, "purchase_retention", **TWO_MONTHS) == [None, 200 / 3]
    assert await values(client, "repeat_purchase_rate", from_="1405-01-01", to="1405-03-01") == [100]


async def test_nothing_bought_gives_null_where_something_is_divided(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for figure in ("average_order_value", "clv_historical", "repeat_purchase_rate", "purchase_retention"):
        assert await values(client, figure, **TWO_MONTHS) == [None, None], figure
    for figure in ("purchases", "revenue"):
        assert await values(client, figure, **TWO_MONTHS) == [0, 0], figure


async def test_a_refund_in_another_currency_is_not_taken_off(runtime: Runtime, client: httpx.AsyncClient) -> None:
    bought = purchase("ana", "2026-04-01", 500)
    await deliver(runtime, bought, replace(refund(bought, 200), currency="EUR"), refund(bought, 50, number=1))
    await turn(runtime, "fold")

    assert await values(client, "revenue", from_="1405-01-01", to="1405-02-01") == [450]


async def test_an_amount_split_by_currency_names_none_for_all(told: Runtime, client: httpx.AsyncClient) -> None:
    assert (await ask(client, "revenue", **TWO_MONTHS))["currency"] == "IRR"
    assert (await ask(client, "revenue", **TWO_MONTHS, by="currency"))["currency"] is None


async def test_a_sum_is_text_from_where_json_numbers_lose_digits(runtime: Runtime, client: httpx.AsyncClient) -> None:
    await deliver(runtime, purchase("rich", "2026-04-01", 2**53), purchase("richer", "2026-05-01", 2**53 + 1))
    await turn(runtime, "fold")

    assert await values(client, "revenue", **TWO_MONTHS) == [2**53, str(2**53 + 1)]
