"""Webhooks: what panels call in any shape, and what somebody else calls."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import httpx
import pytest

from services.messaging.inbound.webhooks import read_inbound
from services.messaging.providers.usecases import SandboxAccounts
from shared.contracts.messaging import ReplyReceived
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import LINE
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import fetchval, known_person
from tests.support.events import published


@pytest.mark.parametrize("shape", ["json", "list", "form", "query"])
async def test_a_webhook_is_taken_in_any_shape_and_only_once(
    shape: str, client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    path = accounts.webhook_paths["inbound"]
    said = {"from": "۰۹۹۹۰۰۰۱۲۳۴", "to": LINE, "text": "۳", "time": "1700000000"}
    ways: dict[str, Any] = {
        "json": lambda: client.post(path, json=said),
        "list": lambda: client.post(path, json=[said, said]),
        "form": lambda: client.post(path, data=said),
        "query": lambda: client.get(path, params=said),
    }
    for _ in range(2):
        answer = await ways[shape]()
        assert (answer.status_code, answer.text) == (200, "OK")

    assert [reply.number for reply in await published(runtime, ReplyReceived)] == [3]


async def test_a_forged_webhook_is_told_that_there_is_none(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    said = {"from": SARA_PHONE, "to": LINE, "text": "۱۱"}
    secret = accounts.webhook_paths["inbound"].split("/")[3]
    forged = [
        f"/webhooks/{accounts.sms_id}/guessed/inbound",
        f"/webhooks/{accounts.sms_id}/{secret[:-1]}/inbound",
        f"/webhooks/{accounts.smtp_id}/{secret}/inbound",
        f"/webhooks/{new_id()}/{secret}/inbound",
    ]
    answers = [await client.post(path, json=said) for path in forged]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "webhook_not_found")] * 4
    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == 0


@pytest.mark.parametrize("said", [{}, {"from": SARA_PHONE}, [1], "x"])
async def test_a_webhook_without_what_it_needs_is_refused_and_leaves_nothing(
    said: Any, client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    answer = await client.post(accounts.webhook_paths["inbound"], json=said)

    assert answer.status_code == 422
    assert await fetchval(runtime, "SELECT count(*) FROM inbound_messages") == 0


@pytest.mark.parametrize("body", ["{bad", '"x"', "[1]", "[" + "{}," * 1_000 + "{}]"])
async def test_a_webhook_whose_json_cannot_be_read_is_told_so_and_of_no_field(
    body: str, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post(accounts.webhook_paths["inbound"], content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["errors"]) == (422, "webhook_unreadable", [])


@pytest.mark.parametrize(("kind", "field"), [("delivery", "id"), ("inbound", "from"), ("inbound", "id")])
async def test_a_webhook_with_an_endless_field_is_refused_naming_it(
    kind: str, field: str, client: httpx.AsyncClient, accounts: SandboxAccounts
) -> None:
    said = {"from": SARA_PHONE, "to": LINE, "text": "۳", "id": "1", "status": "1"} | {field: token_hex(20_000)}
    answer = await client.post(accounts.webhook_paths[kind], json=said)

    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_field_too_long")
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"


async def test_a_number_longer_than_a_machines_and_half_an_emoji_are_taken(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    paths, json = accounts.webhook_paths, {"content-type": "application/json"}
    half = f'{{"from": "{SARA_PHONE}", "to": "{LINE}", "text": "خوب \\ud83d"}}'.encode()

    assert (await client.post(paths["inbound"], content=half, headers=json)).status_code == 200
    assert await fetchval(runtime, "SELECT text FROM inbound_messages") == "خوب ?"
    long = b'{"messageId": 123456789012345678901234567890, "status": 1}'
    assert (await client.post(paths["delivery"], content=long, headers=json)).status_code == 200
    assert await fetchval(runtime, "SELECT provider_id FROM delivery_reports") == "123456789012345678901234567890"


async def test_a_panel_may_call_the_fields_what_it_likes(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await known_person(runtime)
    made = await client.post(
        "/v1/providers",
        json={
            "name": "other",
            "kind": "smsir",
            "base_url": "http://127.0.0.1:9",
            "secret": "key",
            "fields": {"inbound": {"from": "Absender", "text": "Inhalt", "to": "Leitung"}},
            "lines": [{"number": LINE, "purposes": ["service"]}],
        },
    )
    said = {"Absender": SARA_PHONE, "Inhalt": "۷", "Leitung": LINE}
    answer = await client.post(made.json()["webhook_paths"]["inbound"], json=said)

    assert answer.status_code == 200
    assert [reply.number for reply in await published(runtime, ReplyReceived)] == [7]


NOW = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("1795379400", "2026-11-22T20:30:00"),
        ("۱۷۹۵۳۷۹۴۰۰", "2026-11-22T20:30:00"),
        ("1795379400000", "2026-11-22T20:30:00"),
        ("2026-11-22T20:29:00Z", "2026-11-22T20:29:00"),
        ("2026-11-22T23:59:00+03:30", "2026-11-22T20:29:00"),
        ("2026-11-22 23:59:00", "2026-11-22T20:29:00"),
        ("2026/11/22 23:59", "2026-11-22T20:29:00"),
        ("1405/09/01 23:59:00", "2026-11-22T20:29:00"),
        ("۱۴۰۵-۰۹-۰۱ ۲۳:۵۹", "2026-11-22T20:29:00"),
        ("1405/09/01", None),
        ("1405/13/01 10:00:00", None),
        ("yesterday", None),
        ("2026-11-23 03:29:00", None),
        ("0", None),
    ],
)
def test_a_time_is_read_as_panels_of_the_market_write_it_and_one_that_cannot_be_true_says_nothing(
    told: str, at: str | None
) -> None:
    said = {"from": SARA_PHONE, "to": LINE, "text": "۳", "time": told}
    read = read_inbound(said, {}, NOW)

    expected = datetime.fromisoformat(at).replace(tzinfo=UTC) if at else NOW
    assert (read.received_at, read.exact) == (expected, at is not None)


async def test_a_delivery_is_understood_in_any_digits(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    answer = await client.get(accounts.webhook_paths["delivery"], params={"id": "٨٠٠٠٠٠٠١", "status": " ۱ "})

    assert answer.status_code == 200
    async with runtime.db.connection() as connection:
        [report] = await connection.fetch("SELECT provider_id, code FROM delivery_reports")
    assert tuple(report) == ("80000001", "1")


async def test_an_empty_text_is_kept_and_sinks_no_other_of_its_webhook(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    said = [{"from": SARA_PHONE, "to": LINE, "text": text, "id": str(place)} for place, text in enumerate(("", "۳"))]
    answer = await client.post(accounts.webhook_paths["inbound"], json=said)

    assert answer.status_code == 200
    assert {reply.number for reply in await published(runtime, ReplyReceived)} == {None, 3}
