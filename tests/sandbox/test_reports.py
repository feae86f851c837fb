"""Reports of deliveries, the inbox that is read once, the account."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from services.sandbox.settings import DEFAULT_LINE
from shared.clock import moved, utcnow
from tests.sandbox.conftest import Running, StartSandbox
from tests.support.eventually import eventually

SARA, NAZANIN = "09990001234", "09990005678"


async def send(sandbox: Running, *mobiles: str, text: str = "سلام") -> dict[str, Any]:
    body = {"lineNumber": DEFAULT_LINE, "messageText": text, "mobiles": list(mobiles)}
    data: dict[str, Any] = (await sandbox.panel.post("/send/bulk", json=body)).json()["data"]
    return data


async def get(sandbox: Running, path: str, **params: Any) -> Any:
    reply = await sandbox.panel.get(path, params=params)
    assert reply.json()["status"] == 1, reply.text
    return reply.json()["data"]


async def write(sandbox: Running, sender: str, text: str) -> None:
    reply = await sandbox.api.post("/sandbox/replies", json={"from": sender, "to": str(DEFAULT_LINE), "text": text})
    assert reply.status_code == 201, reply.text


async def test_a_message_is_delivered_after_the_delay(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(delivery_delay_s=3600.0)
    sent = await send(sandbox, SARA)
    before = await get(sandbox, f"/send/{sent['messageIds'][0]}")

    with moved(timedelta(hours=1)):
        after: dict[str, Any] = await eventually(lambda: delivered(sandbox, sent["messageIds"][0]))

    assert (before["deliveryState"], before["deliveryDateTime"]) == (5, None)
    assert after["deliveryDateTime"] >= before["sendDateTime"] + 3600


async def delivered(sandbox: Running, message_id: int) -> dict[str, Any]:
    report: dict[str, Any] = await get(sandbox, f"/send/{message_id}")
    return report if report["deliveryState"] == 1 else {}


async def test_a_report_has_the_documented_fields(sandbox: Running) -> None:
    sent = await send(sandbox, SARA)

    report: dict[str, Any] = await eventually(lambda: delivered(sandbox, sent["messageIds"][0]))

    at = int(utcnow().timestamp())
    assert report.pop("sendDateTime") in range(at - 60, at + 1)
    assert report.pop("deliveryDateTime") in range(at - 60, at + 1)
    assert report == {
        "messageId": sent["messageIds"][0],
        "mobile": 9990001234,
        "messageText": "سلام",
        "lineNumber": DEFAULT_LINE,
        "cost": 1.0,
        "deliveryState": 1,
    }


async def test_a_pack_lists_its_messages(sandbox: Running) -> None:
    sent = await send(sandbox, SARA, NAZANIN)

    assert [item["messageId"] for item in await get(sandbox, f"/send/pack/{sent['packId']}")] == sent["messageIds"]
    [pack] = await get(sandbox, "/send/pack")
    assert (pack["packId"], pack["recipientCount"]) == (sent["packId"], 2)


async def test_todays_sends_come_in_pages_without_gap_or_double(sandbox: Running) -> None:
    ids = [id_ for _ in range(3) for id_ in (await send(sandbox, SARA, NAZANIN))["messageIds"]]

    pages = [await get(sandbox, "/send/live", pageSize=4, pageNumber=page) for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [4, 2, 0]
    assert [item["messageId"] for page in pages for item in page] == ids


async def test_yesterdays_sends_are_in_the_archive_only(sandbox: Running) -> None:
    [sent] = (await send(sandbox, SARA))["messageIds"]

    with moved(timedelta(days=1)):
        live, archive = await get(sandbox, "/send/live"), await get(sandbox, "/send/archive")

    assert live == []
    assert [item["messageId"] for item in archive] == [sent]
    assert await get(sandbox, "/send/archive") == []


async def test_an_unknown_message_or_pack_is_refused(sandbox: Running) -> None:
    for path in ("/send/1", "/send/nothing", "/send/pack/b6a0e2b4-13cc-4b5f-8a43-6a3c1fcb7d12"):
        reply = await sandbox.panel.get(path)
        assert (reply.status_code, reply.json()["status"]) == (400, 111), path


async def test_the_account_has_its_lines_and_credit(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(credit=10)
    await send(sandbox, SARA)

    assert await get(sandbox, "/line") == [DEFAULT_LINE]
    assert await get(sandbox, "/credit") == 9.0


async def test_the_latest_inbox_hands_out_each_message_once_also_to_two_at_a_time(sandbox: Running) -> None:
    for number in range(20):
        await write(sandbox, SARA, str(number))

    answers = await asyncio.gather(*(get(sandbox, "/receive/latest", count=5) for _ in range(6)))

    texts = [int(item["messageText"]) for answer in answers for item in answer]
    assert sorted(texts) == list(range(20))
    assert await get(sandbox, "/receive/latest") == []


async def test_an_inbound_message_has_the_documented_fields(sandbox: Running) -> None:
    await write(sandbox, "۰۹۹۹۰۰۰۱۲۳۴", "۲")

    [live] = await get(sandbox, "/receive/live")
    [latest] = await get(sandbox, "/receive/latest")

    assert set(latest) - set(live) == {"receiveReturnId"}
    assert {name: live[name] for name in ("messageText", "number", "mobile")} == {
        "messageText": "۲",
        "number": DEFAULT_LINE,
        "mobile": 9990001234,
    }


async def test_the_live_inbox_shows_again_and_filters_by_phone(sandbox: Running) -> None:
    await write(sandbox, SARA, "یک")
    await write(sandbox, NAZANIN, "دو")
    await write(sandbox, SARA, "سه")

    newest = await get(sandbox, "/receive/live", mobile=SARA, sortByNewest=True)

    assert [item["messageText"] for item in newest] == ["سه", "یک"]
    assert len(await get(sandbox, "/receive/live")) == 3


async def test_a_reply_goes_to_the_line_that_wrote(sandbox: Running) -> None:
    await send(sandbox, SARA)

    reply = await sandbox.api.post("/sandbox/replies", json={"from": SARA, "text": "۲"})

    assert (reply.status_code, reply.json()["to"]) == (201, str(DEFAULT_LINE))


async def test_a_phone_that_nobody_wrote_to_must_name_the_line(sandbox: Running) -> None:
    reply = await sandbox.api.post("/sandbox/replies", json={"from": SARA, "text": "۲"})

    assert (reply.status_code, reply.json()["code"]) == (422, "nobody_wrote")
    assert reply.json()["errors"][0]["pointer"] == "/to"


async def test_a_reply_that_does_not_fit_names_the_field(sandbox: Running) -> None:
    bodies: list[tuple[dict[str, str], str]] = [
        ({"from": "02188001234", "text": "۲"}, "/from"),
        ({"from": SARA, "text": ""}, "/text"),
        ({"from": SARA, "to": "30001111111111", "text": "۲"}, "/to"),
    ]
    for body, pointer in bodies:
        reply = await sandbox.api.post("/sandbox/replies", json=body)
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer)
