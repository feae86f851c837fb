"""Accounts and suppressions over the API: secrets go in and never come out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.messaging.providers.secrets import seal, unseal
from services.messaging.providers.usecases import SandboxAccounts, ensure_sandbox_accounts
from shared.contracts.messaging import OptOutRecorded, OptOutWithdrawn
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import execute, fetchval, known_person
from tests.support import api
from tests.support.events import published, turn

ACCOUNT: dict[str, Any] = {
    "name": "panel",
    "kind": "smsir",
    "base_url": "https://panel.invalid/v1",
    "secret": "kept to ourselves",
    "lines": [{"number": "+98 3000 7732 000000", "purposes": ["service", "promotional"]}],
}


def sent_from(address: str) -> dict[str, Any]:
    lines = [{"number": address, "purposes": ["service"]}]
    return {"kind": "smtp", "base_url": "mail.invalid:587", "lines": lines}


async def test_an_account_is_kept_with_its_secret_sealed(client: httpx.AsyncClient, runtime: Runtime) -> None:
    made = await client.post("/v1/providers", json=ACCOUNT)

    assert made.status_code == 201
    assert "kept to ourselves" not in made.text
    assert made.json()["lines"] == [
        {"number": LINE, "purposes": ["promotional", "service"], "hours": {"promotional": ["08:00", "21:00"]}}
    ]
    sealed = await fetchval(runtime, "SELECT secret FROM provider_accounts")
    assert b"kept" not in sealed
    assert unseal(runtime.settings, sealed) == "kept to ourselves"
    assert seal(runtime.settings, "x") != seal(runtime.settings, "x")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"service": ["09:00", "18:00"]}, {"promotional": ["08:00", "21:00"], "service": ["09:00", "18:00"]}),
        ({}, {"promotional": ["08:00", "21:00"]}),
        ({"promotional": ["10:00", "20:00"]}, {"promotional": ["10:00", "20:00"]}),
        ({"promotional": ["00:00", "00:00"]}, {"promotional": ["00:00", "00:00"]}),
    ],
)
async def test_promotion_keeps_its_hours_unless_others_are_given_for_it(
    given: dict[str, Any], kept: dict[str, Any], client: httpx.AsyncClient
) -> None:
    line = {"number": LINE, "purposes": ["service", "promotional"], "hours": given}
    made = await client.post("/v1/providers", json={**ACCOUNT, "lines": [line]})

    assert made.json()["lines"][0]["hours"] == kept


async def test_an_account_is_changed_by_who_saw_its_present_version(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/providers", json=ACCOUNT)
    path, tag = f"/v1/providers/{made.json()['id']}", {"If-Match": made.headers["ETag"]}
    hours = [{"number": LINE, "purposes": ["service"], "hours": {"service": ["09:00", "18:00"]}}]

    changed = await client.patch(path, json={"lines": hours, "paused": True}, headers=tag)
    assert (changed.status_code, changed.json()["paused_reason"]) == (200, "by_hand")
    assert changed.json()["lines"] == hours
    assert (await client.patch(path, json={"paused": False}, headers=tag)).status_code == 412
    assert (await client.patch(path, json={"paused": False})).json()["paused_at"] is None
    emptied = await client.patch(path, json={"secret": None})
    assert (emptied.status_code, emptied.json()["errors"][0]["code"]) == (422, "not_null")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"lines": [{"number": SARA_PHONE, "purposes": ["service"]}]}, 422, "line_does_not_fit"),
        ({"kind": "smtp", "base_url": "mail.invalid:587"}, 422, "line_does_not_fit"),
        (sent_from("news@[example"), 422, "line_does_not_fit"),
        (sent_from("فروش@example.com"), 422, "line_does_not_fit"),
        (sent_from("Shop\r\nBcc: x@example.com <news@example.com>"), 422, "line_does_not_fit"),
        ({"lines": []}, 422, "invalid"),
        ({"lines": [{"number": LINE, "purposes": ["fun"]}]}, 422, "invalid"),
        (
            {"lines": [{"number": LINE, "purposes": ["service"], "hours": {"service": ["25:00", "26:00"]}}]},
            422,
            "invalid",
        ),
        ({"rate_per_s": 0}, 422, "invalid"),
        ({"name": "taken"}, 409, "provider_exists"),
    ],
)
async def test_an_account_that_does_not_fit_is_refused(
    change: dict[str, Any], status: int, code: str, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/providers", json={**ACCOUNT, "name": "taken"})
    refused = await client.post("/v1/providers", json={**ACCOUNT, **change})

    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("smsir", "panel.invalid/v1"),
        ("smsir", "ftp://panel.invalid"),
        ("smsir", "https://"),
        ("smsir", "http://[bad"),
        ("smsir", "http://panel.invalid:99999"),
        ("smtp", "https://mail.invalid"),
        ("smtp", "mail.invalid:smtp"),
        ("smtp", "mail.invalid:99999"),
    ],
)
async def test_an_address_that_no_client_can_be_opened_with_is_refused(
    kind: str, address: str, client: httpx.AsyncClient
) -> None:
    number = {"smsir": LINE, "smtp": "news@example.com"}[kind]
    lines = [{"number": number, "purposes": ["service"]}]
    refused = await client.post("/v1/providers", json={**ACCOUNT, "kind": kind, "base_url": address, "lines": lines})

    assert (refused.status_code, refused.json()["code"]) == (422, "address_does_not_fit")
    assert refused.json()["errors"][0]["pointer"] == "/base_url"


async def test_a_kept_secret_is_led_to_no_other_address(client: httpx.AsyncClient) -> None:
    path = f"/v1/providers/{(await client.post('/v1/providers', json=ACCOUNT)).json()['id']}"
    elsewhere = {"base_url": "https://elsewhere.invalid/v1"}

    refused = await client.patch(path, json=elsewhere)
    assert (refused.status_code, refused.json()["code"]) == (422, "secret_needed")
    assert (await client.get(path)).json()["base_url"] == ACCOUNT["base_url"]
    assert (await client.patch(path, json={"base_url": ACCOUNT["base_url"], "priority": 1})).status_code == 200
    moved = await client.patch(path, json={**elsewhere, "secret": "of that panel"})
    assert (moved.status_code, moved.json()["base_url"]) == (200, elsewhere["base_url"])


async def test_only_an_administrator_adds_accounts(runtime: Runtime) -> None:
    async with api.client(runtime, ["messaging:write"]) as clerk:
        assert (await clerk.post("/v1/providers", json=ACCOUNT)).status_code == 403


async def test_a_new_webhook_secret_ends_the_old_one(client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/providers", json=ACCOUNT)).json()
    new = (await client.post(f"/v1/providers/{made['id']}/webhook-secret")).json()
    said = {"messageId": "1", "status": "1"}

    assert (await client.post(made["webhook_paths"]["delivery"], json=said)).status_code == 404
    assert (await client.post(new["webhook_paths"]["delivery"], json=said)).status_code == 200


async def test_a_repeat_is_told_the_same_webhook_secret_which_is_kept_nowhere_in_the_clear(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    create = client.build_request("POST", "/v1/providers", json=ACCOUNT, headers={"Idempotency-Key": "made"})
    made, made_again = await client.send(create), await client.send(create)
    path = f"/v1/providers/{made.json()['id']}/webhook-secret"
    renew = client.build_request("POST", path, headers={"Idempotency-Key": "renewed"})
    renewed, renewed_again = await client.send(renew), await client.send(renew)

    kept = await fetchval(runtime, "SELECT string_agg(body, '') FROM idempotency_keys")
    for first, again in ((made, made_again), (renewed, renewed_again)):
        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers.get("etag") == first.headers.get("etag")
        assert first.json()["webhook_paths"]["delivery"].split("/")[3].encode() not in kept


async def test_the_sandboxs_accounts_are_made_once_and_follow_its_address(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    async with runtime.db.transaction() as tx:
        again = await ensure_sandbox_accounts(
            tx, runtime.settings, base_url="http://127.0.0.1:9/v1", smtp_host="127.0.0.1", smtp_port=9
        )

    assert again == accounts
    urls = "SELECT string_agg(base_url, ',' ORDER BY name) FROM provider_accounts"
    assert await fetchval(runtime, urls) == "http://127.0.0.1:9/v1,127.0.0.1:9"


async def test_an_account_that_ran_out_of_credit_goes_on_when_there_is_some(
    runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    pause = "UPDATE provider_accounts SET paused_at = now(), paused_reason = 'smsir_102' WHERE id = $1"
    await execute(runtime, pause, accounts.sms_id)
    await panel.set(credit=0)
    await turn(runtime, "read credit")
    paused = "SELECT paused_reason FROM provider_accounts WHERE kind = 'smsir'"
    assert await fetchval(runtime, paused) == "smsir_102"

    await panel.set(credit=500)
    await turn(runtime, "read credit")
    assert await fetchval(runtime, paused) is None
    assert await fetchval(runtime, "SELECT credit FROM provider_accounts WHERE kind = 'smsir'") == 500


async def test_an_account_that_is_paused_for_anything_else_stays_so_whatever_its_credit(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    pause = "UPDATE provider_accounts SET paused_at = now(), paused_reason = 'smsir_10' WHERE id = $1"
    await execute(runtime, pause, accounts.sms_id)
    await turn(runtime, "read credit")

    assert await fetchval(runtime, "SELECT paused_reason FROM provider_accounts WHERE kind = 'smsir'") == "smsir_10"


async def test_an_address_is_suppressed_and_let_go_by_the_api(client: httpx.AsyncClient, runtime: Runtime) -> None:
    person = await known_person(runtime)
    body = {"phone": "۰۹۹۹۰۰۰۱۲۳۴", "person_id": str(person)}
    made = await client.post("/v1/suppressions", json=body)
    assert made.status_code == 201
    assert (await client.post("/v1/suppressions", json=body)).json()["code"] == "already_suppressed"
    assert (await client.post("/v1/suppressions", json={})).json()["code"] == "address_needed"
    landline = await client.post("/v1/suppressions", json={"phone": "02188880000"})
    assert landline.json()["errors"][0]["code"] == "landline"

    listed = await client.get("/v1/suppressions", params={"phone": SARA_PHONE})
    assert listed.json()["items"] == [made.json()]
    path = f"/v1/suppressions/{made.json()['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    kinds = [type(event) for event in await published(runtime)]
    assert kinds == [OptOutRecorded, OptOutWithdrawn]
