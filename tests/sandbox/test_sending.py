"""Sending as sms.ir's documents describe it: bodies, codes, limits, ids by position."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.sandbox.settings import DEFAULT_LINE, DEFAULT_TEST_KEY
from shared.clock import moved, utcnow
from tests.sandbox.conftest import Running
from tests.support.eventually import eventually

SARA, NAZANIN = "09990001234", "09990005678"


def bulk(*mobiles: str, text: str = "سلام", **more: Any) -> dict[str, Any]:
    return {"lineNumber": DEFAULT_LINE, "messageText": text, "mobiles": list(mobiles), **more}


async def refusal(reply: httpx.Response) -> tuple[int, int]:
    body = reply.json()
    assert body["data"] is None
    assert body["message"]
    return reply.status_code, body["status"]


async def test_a_bulk_send_reaches_each_phone_once(sandbox: Running) -> None:
    reply = await sandbox.panel.post("/send/bulk", json=bulk(SARA, NAZANIN, text="سلام سارا"))

    body = reply.json()
    assert (reply.status_code, body["status"], body["message"]) == (200, 1, "موفق")
    assert set(body["data"]) == {"packId", "messageIds", "cost"}
    assert len(set(body["data"]["messageIds"])) == 2
    assert body["data"]["cost"] == 2.0
    assert await sandbox.shown(SARA) == await sandbox.shown(NAZANIN) == ["سلام سارا"]


async def test_ids_stand_at_the_positions_of_their_numbers(sandbox: Running) -> None:
    await sandbox.fault("blacklist", number=NAZANIN)

    reply = await sandbox.panel.post("/send/bulk", json=bulk("02188001234", SARA, NAZANIN, "12"))

    landline, sara, nazanin, short = reply.json()["data"]["messageIds"]
    assert (landline, nazanin, short) == (None, 0, None)
    assert isinstance(sara, int)
    assert sara > 0
    assert reply.json()["data"]["cost"] == 1.0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (bulk(SARA, text="  "), 103),
        (bulk(*[SARA] * 101), 105),
        (bulk(), 107),
        ({**bulk(SARA), "lineNumber": 30001111111111}, 101),
        ({**bulk(SARA), "lineNumber": None}, 101),
        ({**bulk(SARA), "sendDateTime": 1}, 109),
        ({**bulk(SARA), "sendDateTime": "soon"}, 109),
        ({}, 107),
    ],
)
async def test_a_bulk_send_that_does_not_fit_is_refused_with_its_code(
    sandbox: Running, body: dict[str, Any], status: int
) -> None:
    assert await refusal(await sandbox.panel.post("/send/bulk", json=body)) == (400, status)
    assert await sandbox.shown(SARA) == []


async def test_a_hundred_numbers_are_taken(sandbox: Running) -> None:
    mobiles = [f"0999000{n:04}" for n in range(100)]

    ids = (await sandbox.panel.post("/send/bulk", json=bulk(*mobiles))).json()["data"]["messageIds"]

    assert len(set(ids)) == 100


async def test_a_text_too_long_has_no_id(sandbox: Running) -> None:
    reply = await sandbox.panel.post("/send/bulk", json=bulk(SARA, text="س" * 901))

    assert reply.json()["data"]["messageIds"] == [None]


@pytest.mark.parametrize(
    ("minutes", "taken"), [(59, False), (61, True), (365 * 1440 - 1, True), (365 * 1440 + 1, False)]
)
async def test_a_send_is_scheduled_from_an_hour_to_a_year_ahead(sandbox: Running, minutes: int, taken: bool) -> None:
    at = int((utcnow() + timedelta(minutes=minutes)).timestamp())

    reply = await sandbox.panel.post("/send/bulk", json=bulk(SARA, sendDateTime=at))

    assert (reply.json()["status"] == 1) is taken
    assert await sandbox.shown(SARA) == []


async def test_a_scheduled_pack_leaves_at_its_time(sandbox: Running) -> None:
    at = int((utcnow() + timedelta(hours=2)).timestamp())
    sent = (await sandbox.panel.post("/send/bulk", json=bulk(SARA, sendDateTime=at))).json()["data"]
    before = (await sandbox.panel.get(f"/send/{sent['messageIds'][0]}")).json()["data"]

    with moved(timedelta(hours=2, seconds=1)):
        shown = await sandbox.shown(SARA)

    assert before["deliveryState"] is None
    assert before["sendDateTime"] == at
    assert shown == ["سلام"]


async def test_a_scheduled_pack_is_cancelled_once_and_its_credit_returned(sandbox: Running) -> None:
    at = int((utcnow() + timedelta(hours=2)).timestamp())
    credit = (await sandbox.panel.get("/credit")).json()["data"]
    pack = (await sandbox.panel.post("/send/bulk", json=bulk(SARA, NAZANIN, sendDateTime=at))).json()["data"]["packId"]

    first, second = [await sandbox.panel.delete(f"/send/scheduled/{pack}") for _ in range(2)]

    assert first.json()["data"] == {"returnedCreditCount": 2.0, "smsCount": 2}
    assert await refusal(second) == (400, 112)
    assert (await sandbox.panel.get("/credit")).json()["data"] == credit


async def test_like_to_like_sends_each_number_its_text(sandbox: Running) -> None:
    body = {"lineNumber": DEFAULT_LINE, "messageTexts": ["یک", "دو"], "mobiles": [SARA, NAZANIN]}

    reply = await sandbox.panel.post("/send/likeToLike", json=body)

    assert len(reply.json()["data"]["messageIds"]) == 2
    assert (await sandbox.shown(SARA), await sandbox.shown(NAZANIN)) == (["یک"], ["دو"])


@pytest.mark.parametrize(
    ("texts", "mobiles", "status"),
    [
        (["یک"], [SARA, NAZANIN], 110),
        ([], [SARA], 108),
        (["یک", ""], [SARA, NAZANIN], 103),
        (["یک"] * 101, [SARA], 106),
    ],
)
async def test_like_to_like_that_does_not_fit_is_refused(
    sandbox: Running, texts: list[str], mobiles: list[str], status: int
) -> None:
    body = {"lineNumber": DEFAULT_LINE, "messageTexts": texts, "mobiles": mobiles}

    assert await refusal(await sandbox.panel.post("/send/likeToLike", json=body)) == (400, status)


async def test_verify_fills_an_approved_pattern(sandbox: Running) -> None:
    await sandbox.api.put("/sandbox/templates/42", json={"text": "کد شما: #CODE#"})
    body = {"mobile": SARA, "templateId": 42, "parameters": [{"name": "Code", "value": "12345"}]}

    reply = await sandbox.panel.post("/send/verify", json=body)

    assert set(reply.json()["data"]) == {"messageId", "cost"}
    assert await sandbox.shown(SARA) == ["کد شما: 12345"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"templateId": 43}, 113),
        ({"mobile": "02188001234"}, 104),
        ({"parameters": [{"name": "CODE", "value": "x" * 26}]}, 114),
        ({"parameters": [{"name": "", "value": "x"}]}, 116),
    ],
)
async def test_verify_that_does_not_fit_is_refused(sandbox: Running, change: dict[str, Any], status: int) -> None:
    await sandbox.api.put("/sandbox/templates/42", json={"text": "کد شما: #CODE#"})
    body = {"mobile": SARA, "templateId": 42, "parameters": [{"name": "CODE", "value": "1"}]} | change

    assert await refusal(await sandbox.panel.post("/send/verify", json=body)) == (400, status)


async def test_verify_to_a_blacklisted_number_is_refused(sandbox: Running) -> None:
    await sandbox.api.put("/sandbox/templates/42", json={"text": "کد شما"})
    await sandbox.fault("blacklist", number=SARA)

    reply = await sandbox.panel.post("/send/verify", json={"mobile": SARA, "templateId": 42, "parameters": []})

    assert await refusal(reply) == (400, 115)


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_a_wrong_key_is_refused(sandbox: Running, key: str) -> None:
    reply = await sandbox.panel.post("/send/bulk", json=bulk(SARA), headers={"X-API-KEY": key})

    assert await refusal(reply) == (401, 10)


async def test_a_body_that_is_no_json_is_refused(sandbox: Running) -> None:
    reply = await sandbox.panel.post("/send/bulk", content=b"{", headers={"Content-Type": "application/json"})

    assert await refusal(reply) == (400, 107)


async def test_a_key_of_kind_sandbox_answers_alike_and_sends_nothing(sandbox: Running) -> None:
    test_mode = {"X-API-KEY": DEFAULT_TEST_KEY}
    credit = (await sandbox.panel.get("/credit")).json()["data"]
    verify = {"mobile": SARA, "templateId": 123456, "parameters": [{"name": "Code", "value": "1"}]}

    sent = await sandbox.panel.post("/send/bulk", json=bulk(SARA, "12"), headers=test_mode)
    verified = await sandbox.panel.post("/send/verify", json=verify, headers=test_mode)

    assert sent.json()["data"]["messageIds"][1] is None
    assert verified.json()["status"] == 1
    assert (
        await sandbox.panel.get(f"/send/{sent.json()['data']['messageIds'][0]}", headers=test_mode)
    ).status_code == 400
    assert await sandbox.shown(SARA) == []
    assert (await sandbox.panel.get("/credit")).json()["data"] == credit


async def test_each_part_costs_a_credit_and_none_is_spent_twice(sandbox: Running) -> None:
    await sandbox.api.patch("/sandbox/settings", json={"credit": 5})
    two_parts = "س" * 71

    replies = await asyncio.gather(
        *(sandbox.panel.post("/send/bulk", json=bulk(SARA, text=two_parts)) for _ in range(4))
    )

    assert sorted(reply.json()["status"] for reply in replies) == [1, 1, 102, 102]
    assert (await sandbox.panel.get("/credit")).json()["data"] == 1.0
    assert len(await sandbox.shown(SARA)) == 2


async def test_persian_and_international_spellings_are_one_phone(sandbox: Running) -> None:
    await sandbox.panel.post("/send/bulk", json=bulk("+989990001234", "۰۹۹۹ ۰۰۰ ۱۲۳۴", "9990001234", "00989990001234"))

    assert len(await sandbox.shown(SARA)) == 4


async def test_what_was_sent_survives_a_restart(start_sandbox: Any) -> None:
    first = await start_sandbox()
    await first.panel.post("/send/bulk", json=bulk(SARA))

    second = await start_sandbox()

    assert await second.shown(SARA) == ["سلام"]
    assert await eventually(lambda: second.shown(SARA)) == ["سلام"]
