"""Templates: what is refused when they are saved, and that nothing in them can do harm."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from services.messaging.templates.rendering import PROVIDED, Body, RenderError, check, render

VALUES = dict.fromkeys(PROVIDED, "")

ORDER = {
    "code": "order_ready",
    "purpose": "transactional",
    "title": "Order ready",
    "title_fa": "سفارش آماده است",
    "variables": ["order_number"],
    "bodies": {"fa": {"text": "{{ first_name }} عزیز، سفارش {{ order_number | persian_digits }} آماده است."}},
}


def faults(text: str, *declared: str) -> list[str]:
    return [fault.code for fault in check(Body(text=text), declared=frozenset(declared), pointer="")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ nobody }}", "unknown_variable"),
        ("{% if nobody %}x{% endif %}", "unknown_variable"),
        ("{{ first_name.__class__.__mro__ }}", "unknown_variable"),
        ("{{ first_name['__class__'] }}", "unknown_variable"),
        ("{% include 'secrets' %}", "template_syntax"),
        ("{% render '/etc/passwd' %}", "template_syntax"),
        ("{% if %}", "template_syntax"),
        ("{{ first_name", "template_syntax"),
        ("{{ first_name | replace: '1', '11' }}", "unknown_filter"),
        ("{{ first_name | no_such }}", "unknown_filter"),
        ("{% for i in (1..100000000) %}x{% endfor %}", "template_too_heavy"),
        ("{% for i in (1..99) %}{% for j in (1..99) %}x{% endfor %}{% endfor %}", "template_too_heavy"),
        ("{% if (1..1000000000) contains 'x' %}x{% endif %}", "template_too_heavy"),
        ("{% if first_name == '' %}{% elsif (1..1000000000) contains 0.5 %}x{% endif %}", "template_too_heavy"),
        ("{% assign all = (1..1000000000) %}{% if all contains 'x' %}x{% endif %}", "template_too_heavy"),
        ("{% for i in (1..1000000000) offset: 999999999 limit: 1 %}x{% endfor %}", "template_too_heavy"),
        ("{% assign most = 1000000000 %}{% if (1..most) contains 'x' %}x{% endif %}", "template_too_heavy"),
        ("{{ 9999999999" + " | times: 9999999999" * 600 + " }}", "template_error"),
        ("{{ 'inf' | ceil }}{{ 'nan' | round }}", "template_error"),
        ("{{ 1 | divided_by: 0 }}", "template_error"),
        ("{% if first_name %}" * 500 + "{% endif %}" * 500, "template_too_heavy"),
        ("x" * 20_001, "too_long"),
    ],
)
def test_a_template_that_cannot_be_rendered_safely_is_refused_quickly(text: str, code: str) -> None:
    begun = time.perf_counter()

    assert faults(text) == [code]
    assert time.perf_counter() - begun < 1


def test_a_short_range_is_gone_through() -> None:
    assert render(Body(text="{% for i in (1..3) %}{{ i }}{% endfor %}"), {}).text == "123"


@pytest.mark.parametrize("value", ["inf", "nan", "9" * 5_000])
def test_a_value_that_cannot_be_reckoned_with_is_named_and_breaks_nothing(value: str) -> None:
    with pytest.raises(RenderError) as refused:
        render(Body(text="{{ order_number | round }}"), {"order_number": value})

    assert refused.value.code == "template_error"


def test_a_declared_variable_is_known_and_a_missing_value_is_named() -> None:
    assert faults("{{ order_number }}", "order_number") == []
    with pytest.raises(RenderError, match="order_number"):
        render(Body(text="{{ order_number }}"), VALUES)


def test_what_a_person_is_called_is_text_and_never_template_or_html() -> None:
    nasty = {**VALUES, "first_name": "<script>{{ 1 | plus: 1 }}</script>"}
    body = Body(text="{{ first_name }}", html="<p>{{ first_name }}</p>", subject="{{ first_name }}\nBcc: x")
    rendered = render(body, nasty)

    assert rendered.text == "<script>{{ 1 | plus: 1 }}</script>"
    assert rendered.html == "<p>&lt;script&gt;{{ 1 | plus: 1 }}&lt;/script&gt;</p>"
    assert rendered.subject == "<script>{{ 1 | plus: 1 }}</script> Bcc: x"


async def test_a_template_is_made_previewed_changed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/templates", json=ORDER)
    assert made.status_code == 201
    preview = await client.post(
        "/v1/templates/order_ready/preview", json={"variables": {"first_name": "سارا", "order_number": 1042}}
    )
    assert preview.json()["text"] == "سارا عزیز، سفارش ۱۰۴۲ آماده است."
    assert (preview.json()["parts"], preview.json()["units"], preview.json()["encoding"]) == (1, 32, "ucs2")

    tag = {"If-Match": made.headers["ETag"]}
    body = {"bodies": {"fa": {"text": "سفارش {{ order_number }}"}}}
    assert (await client.patch("/v1/templates/order_ready", json=body, headers=tag)).status_code == 200
    assert (await client.patch("/v1/templates/order_ready", json=body, headers=tag)).status_code == 412
    emptied = await client.patch("/v1/templates/order_ready", json={"title": None})
    assert (emptied.status_code, emptied.json()["errors"][0]["code"]) == (422, "not_null")
    assert (await client.delete("/v1/templates/order_ready")).status_code == 204
    assert (await client.get("/v1/templates/order_ready")).status_code == 404


async def test_a_code_that_is_taken_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/templates", json=ORDER)).status_code == 201
    again = await client.post("/v1/templates", json=ORDER)

    assert (again.status_code, again.json()["code"]) == (409, "template_exists")


async def test_an_unknown_variable_is_refused_at_saving_and_a_missing_one_at_preview(client: httpx.AsyncClient) -> None:
    unknown: dict[str, Any] = {**ORDER, "variables": []}
    refused = await client.post("/v1/templates", json=unknown)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/bodies/fa/text", "unknown_variable")
    assert "order_number" in error["message"]

    await client.post("/v1/templates", json=ORDER)
    missing = await client.post("/v1/templates/order_ready/preview", json={})
    assert missing.status_code == 422
    assert "order_number" in missing.json()["detail"]


async def test_a_template_that_an_automation_sends_is_not_deleted(client: httpx.AsyncClient) -> None:
    refused = await client.delete("/v1/templates/thank_you")

    assert (refused.status_code, refused.json()["code"]) == (409, "template_in_use")
    assert "thank_you_coupon" in refused.json()["detail"]


async def test_every_shipped_template_renders_for_somebody_unknown_in_both_languages(client: httpx.AsyncClient) -> None:
    shipped = (await client.get("/v1/templates")).json()["items"]

    assert {template["code"] for template in shipped} >= {
        "acknowledge_lead", "overdue_agent", "overdue_manager", "welcome", "thank_you", "survey_csat", "apology",
    }  # fmt: skip
    for template in shipped:
        for locale, friend in (("fa", "دوست عزیز"), ("en", "Dear friend")):
            preview = await client.post(f"/v1/templates/{template['code']}/preview", json={"locale": locale})
            assert preview.json()["lint"] is None
            assert friend in preview.json()["text"] or template["code"].startswith("overdue")
