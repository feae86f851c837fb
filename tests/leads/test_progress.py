"""Qualified, disqualified, reopened, converted: what may follow what, and once only."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import httpx
import pytest

from shared.contracts.leads import (
    LeadConverted,
    LeadDisqualified,
    LeadQualified,
    LeadReopened,
    LeadStageChanged,
    LeadUpdated,
)
from shared.service import Runtime
from tests.leads.story import captured, done, read
from tests.support.events import published


async def test_a_lead_goes_through_its_stages(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, campaign="yalda", product="crm")
    await client.post(f"/v1/leads/{lead['id']}/touches", json={"channel": "call"})
    await done(client, lead, "qualify")
    won = await done(client, lead, "convert")

    assert (won["status"], won["funnel_stage"], won["converted_by"]) == ("converted", "decision", "hand")
    stages = [(event.before, event.after, event.reason) for event in await published(runtime, LeadStageChanged)]
    assert stages == [("awareness", "consideration", "answered"), ("consideration", "decision", "qualified")]
    assert len(await published(runtime, LeadQualified)) == 1
    [event] = await published(runtime, LeadConverted)
    assert (event.by, event.source, event.campaign, event.product) == ("hand", "website", "yalda", "crm")


async def test_a_hundred_conversions_at_once_are_one(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    replies = await asyncio.gather(*(client.post(f"/v1/leads/{lead['id']}/convert") for _ in range(100)))

    assert Counter(reply.status_code for reply in replies) == {200: 1, 409: 99}
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} == {"lead_already_converted"}
    assert [str(event.lead_id) for event in await published(runtime, LeadConverted)] == [lead["id"]]


async def test_a_conversion_repeated_with_its_key_is_answered_as_before(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    lead = await captured(client)
    replies = [
        await client.post(f"/v1/leads/{lead['id']}/convert", headers={"Idempotency-Key": "won"}) for _ in range(2)
    ]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert len(await published(runtime, LeadConverted)) == 1


@pytest.mark.parametrize(
    ("before", "then", "code"),
    [
        (["qualify"], "qualify", "lead_already_qualified"),
        (["convert"], "qualify", "lead_already_converted"),
        (["convert"], "disqualify", "lead_already_converted"),
        (["convert"], "reopen", "lead_already_converted"),
        (["disqualify"], "disqualify", "lead_already_disqualified"),
        (["disqualify"], "qualify", "lead_disqualified"),
        (["disqualify"], "convert", "lead_disqualified"),
        ([], "reopen", "lead_open"),
    ],
)
async def test_what_a_lead_s_state_does_not_allow_is_refused(
    client: httpx.AsyncClient, before: list[str], then: str, code: str
) -> None:
    lead = await captured(client)
    for step in before:
        await done(client, lead, step, **({"reason": "price"} if step == "disqualify" else {}))
    body = {"reason": "price"} if then == "disqualify" else None
    reply = await client.post(f"/v1/leads/{lead['id']}/{then}", json=body)

    assert (reply.status_code, reply.json()["code"]) == (409, code)


async def test_a_reason_is_kept_and_published(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    lost = await done(client, lead, "disqualify", reason="competitor", competitor="other-crm")

    assert (lost["reason"], lost["competitor"]) == ("competitor", "other-crm")
    [event] = await published(runtime, LeadDisqualified)
    assert (event.reason, event.competitor) == ("competitor", "other-crm")
    await done(client, lead, "reopen")
    assert len(await published(runtime, LeadReopened)) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/reason"),
        ({"reason": "boring"}, "/reason"),
        ({"reason": "price", "competitor": "x"}, "/competitor"),
        ({"reason": "competitor", "competitor": "رقیب"}, "/competitor"),
    ],
)
async def test_a_reason_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, body: dict[str, str], pointer: str
) -> None:
    lead = await captured(client)
    reply = await client.post(f"/v1/leads/{lead['id']}/disqualify", json=body)

    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert (await read(client, lead))["status"] == "new"


async def test_a_lead_is_not_reopened_beside_a_newer_one(client: httpx.AsyncClient) -> None:
    lost = await captured(client, phone="09990001234")
    await done(client, lost, "disqualify", reason="timing")
    newer = await captured(client, phone="09990001234")
    reply = await client.post(f"/v1/leads/{lost['id']}/reopen")

    assert (reply.status_code, reply.json()["code"]) == (409, "open_lead_exists")
    assert newer["id"] in reply.json()["detail"]


async def test_reopening_and_capturing_at_once_leave_one_open_lead(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lost = await captured(client, phone="09990001234")
    await done(client, lost, "disqualify", reason="timing")
    captures = [client.post("/v1/leads", json={"phone": "09990001234"}) for _ in range(5)]
    reopenings = [client.post(f"/v1/leads/{lost['id']}/reopen") for _ in range(5)]
    replies = await asyncio.gather(*captures, *reopenings)

    assert {reply.status_code for reply in replies} <= {200, 201, 409}
    assert len((await client.get("/v1/leads", params={"status": "new"})).json()["items"]) == 1


async def test_a_change_needs_the_version_that_was_read(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, first_name="سارا", note="تماس")
    read_before = await client.get(f"/v1/leads/{lead['id']}")
    headers = {"If-Match": read_before.headers["ETag"]}
    patch = {"expected_amount_minor": 5_000_000, "note": None, "last_name": "نمونه"}
    first = await client.patch(f"/v1/leads/{lead['id']}", json=patch, headers=headers)
    second = await client.patch(f"/v1/leads/{lead['id']}", json=patch, headers=headers)

    assert (first.status_code, second.status_code) == (200, 412)
    changed = first.json()
    assert (changed["expected_amount_minor"], changed["note"], changed["first_name"], changed["last_name"]) == (
        5_000_000, None, "سارا", "نمونه",
    )  # fmt: skip
    [event] = await published(runtime, LeadUpdated)
    assert (event.fields, event.expected_amount_minor) == (("expected_amount_minor", "last_name", "note"), 5_000_000)


async def test_a_change_that_changes_nothing_leaves_no_trace(runtime: Runtime, client: httpx.AsyncClient) -> None:
    lead = await captured(client, first_name="سارا", product="crm", cost_minor=5)
    same = {"first_name": "سارا", "product": "crm", "cost_minor": 5, "note": None}
    for patch in ({}, same, same | {"campaign": "yalda"}):
        reply = await client.patch(f"/v1/leads/{lead['id']}", json=patch)

    assert reply.json()["version"] == lead["version"] + 1
    assert [event.fields for event in await published(runtime, LeadUpdated)] == [("campaign",)]


async def test_a_lead_takes_no_product_that_the_person_has_another_open_lead_for(client: httpx.AsyncClient) -> None:
    await captured(client, phone="09990001234", product="crm")
    other = await captured(client, phone="09990001234", product="club")
    reply = await client.patch(f"/v1/leads/{other['id']}", json={"product": "crm"})

    assert (reply.status_code, reply.json()["code"]) == (409, "open_lead_exists")
    assert (await client.patch(f"/v1/leads/{other['id']}", json={"product": "shop"})).json()["product"] == "shop"
    await done(client, other, "disqualify", reason="other")
    assert (await client.patch(f"/v1/leads/{other['id']}", json={"product": "crm"})).json()["product"] == "crm"


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"kind": None}, "/kind"),
        ({"phone": "09990001234"}, "/phone"),
        ({"city": ""}, "/city"),
        ({"currency": None}, "/currency"),
        ({"currency": "EUR"}, "/currency"),
    ],
)
async def test_a_change_that_does_not_fit_is_refused(
    client: httpx.AsyncClient, patch: dict[str, object], pointer: str
) -> None:
    lead = await captured(client)
    reply = await client.patch(f"/v1/leads/{lead['id']}", json=patch)

    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["touches", "qualify", "convert", "disqualify", "reopen"])
async def test_nothing_is_done_with_an_unknown_lead(client: httpx.AsyncClient, path: str) -> None:
    body = {"touches": {"channel": "call"}, "disqualify": {"reason": "other"}}.get(path)
    reply = await client.post(f"/v1/leads/{UUID(int=3)}/{path}", json=body)

    assert (reply.status_code, reply.json()["code"]) == (404, "lead_not_found")
