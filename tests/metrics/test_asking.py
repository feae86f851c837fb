"""What can be asked, how a span is read, and what a refusal says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.metrics.app import SERVICE
from services.metrics.figures.examples import AUDIT, COHORTS, DEFINITIONS, FIGURE
from services.metrics.figures.schemas import AuditOut, CohortsOut, DefinitionsOut, FigureOut
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.metrics.facts import ask, at, points, purchase
from tests.support import api
from tests.support.events import deliver, turn

SPAN = {"from": "2026-04-01", "to": "2026-05-01"}


async def test_the_list_tells_every_figure_with_its_meaning_and_dimensions(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/metrics")).json()

    assert {figure["figure"] for figure in listed["figures"]} >= {
        "retention", "churn", "repeat_purchase_rate", "average_order_value", "purchase_retention", "clv_historical",
        "csat", "nps", "response_rate", "leads_captured", "leads_answered_in_time", "funnel",
    }  # fmt: skip
    assert (listed["time_zone"], listed["activity_days"], listed["margin"]) == ("Asia/Tehran", 90, 1.0)
    assert all(figure["title_fa"] and figure["definition"] for figure in listed["figures"])


@pytest.mark.parametrize(
    ("params", "status", "code", "names"),
    [
        ({"by": "colour"}, 422, "unknown_dimension", "source, campaign, product, awareness, agent"),
        ({"currency": "toman"}, 422, "invalid", "^[A-Z]{3}$"),
        ({"interval": "fortnight"}, 422, "invalid", "week"),
        ({"calendar": "lunar"}, 422, "invalid", "jalali"),
        ({"from": "yesterday"}, 422, "not_a_date", "1405-09-01"),
        ({"from": "1405-13-01"}, 422, "not_a_date", "months are 1 to 12"),
        ({"from": "2026-05-01"}, 422, "empty_span", "after from"),
        ({"from": "1405-09-02", "to": "1405-09-02"}, 422, "empty_span", "after from (1405-09-02)"),
        ({"from": "1900-01-01", "interval": "day"}, 422, "too_many_periods", "4000"),
    ],
)
async def test_what_cannot_be_asked_is_refused_naming_what_can(
    client: httpx.AsyncClient, params: dict[str, str], status: int, code: str, names: str
) -> None:
    refused = await client.get("/v1/metrics/leads_captured", params=SPAN | params)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert names in refused.text


async def test_an_unknown_figure_is_not_found_and_the_known_are_named(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/metrics/happiness", params=SPAN)

    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_figure")
    assert "retention" in refused.json()["detail"]
    assert "cohorts" in refused.json()["detail"]


async def test_a_figure_without_dimensions_says_so(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/metrics/retention", params=SPAN | {"by": "source"})
    assert refused.json()["detail"] == "retention cannot be split by 'source'; by nothing it can."


async def test_refusals_are_said_in_persian(client: httpx.AsyncClient) -> None:
    refused = await client.get("/v1/metrics/happiness", headers={"Accept-Language": "fa"})
    assert "شاخصی به نام" in refused.json()["detail"]


@pytest.mark.parametrize("written", ["1405-01-01", "۱۴۰۵/۰۱/۰۱", "2026-03-21", "٢٠٢٦/٠٣/٢١"])
async def test_days_are_read_in_both_calendars_and_all_digits(
    runtime: Runtime, client: httpx.AsyncClient, written: str
) -> None:
    await deliver(runtime, purchase("ana", "2026-03-21 00:00"))
    await turn(runtime, "fold")

    [point] = await points(client, "purchases", from_=written, to="1405-01-02")
    assert (point["value"], point["starts_at"]) == (1, "2026-03-20T20:30:00Z")


async def test_the_calendar_is_that_of_from_unless_said_otherwise(client: httpx.AsyncClient) -> None:
    jalali = await ask(client, "purchases", from_="1405-01-01", to="2026-06-22", interval="month")
    gregorian = await ask(
        client, "purchases", from_="1405-01-12", to="1405-02-11", interval="month", calendar="gregorian"
    )

    assert [point["from"] for point in jalali["points"]] == ["1405-01-01", "1405-02-01", "1405-03-01"]
    assert [point["from"] for point in gregorian["points"]] == ["2026-04-01"]


async def test_ends_that_cut_a_period_off_are_points_of_their_own(client: httpx.AsyncClient) -> None:
    answered = await ask(client, "retention", from_="2026-04-10", to="2026-06-05", interval="month")

    assert [(point["from"], point["to"]) for point in answered["points"]] == [
        ("2026-04-10", "2026-05-01"),
        ("2026-05-01", "2026-06-01"),
        ("2026-06-01", "2026-06-05"),
    ]
    assert answered["computed"] == "on_demand"


async def test_without_a_span_it_is_the_last_twelve_months(client: httpx.AsyncClient) -> None:
    found = await points(client, "leads_captured", interval="month", calendar="jalali")
    assert len(found) == 12
    assert [point["complete"] for point in found] == [True] * 11 + [False]


@pytest.mark.parametrize("path", ["", "/retention", "/cohorts"])
async def test_figures_need_a_token_that_may_read_them(runtime: Runtime, path: str) -> None:
    async with api.client(runtime, scopes=["leads:read"]) as http:
        assert (await http.get(f"/v1/metrics{path}")).status_code == 403
    async with api.client(runtime, scopes=["metrics:read"]) as http:
        assert (await http.get(f"/v1/metrics{path}")).status_code == 200
        assert (await http.get("/v1/metrics/audit")).status_code == 403


@pytest.mark.parametrize("figure", ["purchases", "revenue", "average_order_value", "leads_captured", "funnel", "csat"])
async def test_every_dimension_that_is_listed_can_be_asked(client: httpx.AsyncClient, figure: str) -> None:
    listed: Any = (await client.get("/v1/metrics")).json()["figures"]
    dimensions = next(each["dimensions"] for each in listed if each["figure"] == figure)

    for by in dimensions:
        assert await points(client, figure, from_="2026-04-01", to="2026-05-01", by=by) == []


async def test_counting_on_demand_ends_at_its_time_limit(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(SERVICE, on_demand_timeout_s=0.001)
    many = [purchase(f"p{number % 50}", at("2026-01-01") + timedelta(hours=number)) for number in range(6000)]
    await deliver(runtime, *many)
    await turn(runtime, "fold")

    async with api.client(runtime) as http:
        refused = await http.get(
            "/v1/metrics/time_between_purchases", params={"from": "2026-01-01", "to": "2027-01-02"}
        )
        assert (refused.status_code, refused.json()["code"]) == (503, "counting_took_too_long")
        assert await points(http, "retention", from_="2026-01-01", to="2027-01-01")


async def test_the_examples_in_the_description_are_answers_that_could_be(client: httpx.AsyncClient) -> None:
    for schema, example in (
        (FigureOut, FIGURE),
        (DefinitionsOut, DEFINITIONS),
        (CohortsOut, COHORTS),
        (AuditOut, AUDIT),
    ):
        again = schema.model_validate(example).model_dump(mode="json", by_alias=True)
        assert again == example


async def test_an_answer_holds_four_thousand_periods(client: httpx.AsyncClient) -> None:
    assert len(await points(client, "purchases", from_="2010-01-01", to="2020-12-14", interval="day")) == 4000


@pytest.mark.parametrize(("before_end", "complete"), [(timedelta(microseconds=1), False), (timedelta(), True)])
async def test_a_period_is_over_at_its_very_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, before_end: timedelta, complete: bool
) -> None:
    monkeypatch.setattr("services.metrics.figures.api.utcnow", lambda: at("2026-05-01 00:00") - before_end)

    [point] = await points(client, "purchases", from_="2026-04-01", to="2026-05-01")
    assert point["complete"] is complete


async def test_points_at_the_cut_off_ends_are_of_their_days_alone(runtime: Runtime, client: httpx.AsyncClient) -> None:
    """Ana buys before the span, on the 2nd of its first month; cyr after it, on the 20th of its last."""
    days = {"ana": "2026-04-02", "bea": "2026-04-12", "cyr": "2026-06-20", "dan": "2026-06-02"}
    await deliver(runtime, *(purchase(who, day) for who, day in days.items()))
    await turn(runtime, "fold")

    cut = {"from_": "2026-04-10", "to": "2026-06-05", "interval": "month"}
    assert [point["parts"]["buyers"] for point in await points(client, "repeat_purchase_rate", **cut)] == [1, 0, 1]
    assert [point["parts"]["new"] for point in await points(client, "retention", **cut)] == [1, 0, 1]
