"""What a line tells its owner: deliveries and inbound messages, again until it is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.sandbox.settings import DEFAULT_LINE
from shared.clock import moved
from tests.sandbox.conftest import Running, serving
from tests.support.eventually import eventually

SARA = "09990001234"
BODY = {"lineNumber": DEFAULT_LINE, "messageText": "سلام", "mobiles": [SARA]}


class Owner:
    """Somebody's webhook: keeps what it is told, and answers with the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.heard: list[tuple[str, str, dict[str, Any]]] = []

    async def __call__(self, request: Request) -> PlainTextResponse:
        if request.headers.get("content-type") == "application/json":
            said = await request.json()
        else:
            said = dict(await request.form()) if request.method == "POST" else {}
        self.heard.append((request.method, request.url.path, {**request.query_params, **said}))
        return PlainTextResponse("OK", status_code=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    webhook = Owner()
    app = Starlette(routes=[Route("/{rest:path}", webhook.__call__, methods=["GET", "POST"])])
    async with serving(app) as url:
        webhook.url = url
        yield webhook


async def hook(sandbox: Running, **hooks: Any) -> None:
    reply = await sandbox.api.put(f"/sandbox/lines/{DEFAULT_LINE}", json={"hooks": hooks})
    assert reply.status_code == 200, reply.text


async def test_a_delivery_is_told_with_the_panels_code(sandbox: Running, owner: Owner) -> None:
    await hook(sandbox, delivery={"url": f"{owner.url}/secret/delivery"})

    [id_] = (await sandbox.panel.post("/send/bulk", json=BODY)).json()["data"]["messageIds"]

    heard = await eventually(lambda: owner.heard)
    assert heard == [("POST", "/secret/delivery", {"messageid": str(id_), "status": "1"})]


async def test_what_a_phone_writes_is_told(sandbox: Running, owner: Owner) -> None:
    await hook(sandbox, inbound={"url": f"{owner.url}/in", "encoding": "json"})

    reply = await sandbox.api.post("/sandbox/replies", json={"from": SARA, "to": str(DEFAULT_LINE), "text": "۲ & ۳"})

    [(_, _, said)] = await eventually(lambda: owner.heard)
    assert said == {"from": SARA, "to": str(DEFAULT_LINE), "message": "۲ & ۳", "messageid": reply.json()["id"]}


async def test_fields_take_the_names_that_the_line_gives_them(sandbox: Running, owner: Owner) -> None:
    fields = {"message": "Body", "from": "From"}
    await hook(sandbox, inbound={"url": f"{owner.url}/in", "method": "GET", "fields": fields})

    await sandbox.api.post("/sandbox/replies", json={"from": SARA, "to": str(DEFAULT_LINE), "text": "۲"})

    [(method, _, said)] = await eventually(lambda: owner.heard)
    assert method == "GET"
    assert (said["Body"], said["From"], said["to"]) == ("۲", SARA, str(DEFAULT_LINE))


async def test_a_url_template_is_filled(sandbox: Running, owner: Owner) -> None:
    await hook(sandbox, inbound={"url": f"{owner.url}/in?body=$MESSAGE$&sender=$FROM$", "method": "GET"})

    await sandbox.api.post("/sandbox/replies", json={"from": SARA, "to": str(DEFAULT_LINE), "text": "بله & نه"})

    assert await eventually(lambda: owner.heard) == [("GET", "/in", {"body": "بله & نه", "sender": SARA})]


async def test_a_call_that_fails_is_made_again(sandbox: Running, owner: Owner) -> None:
    owner.answers = [500, 503]
    await hook(sandbox, delivery={"url": f"{owner.url}/d"})
    await sandbox.panel.post("/send/bulk", json=BODY)
    await eventually(lambda: len(owner.heard) == 1)

    with moved(timedelta(seconds=10)):
        await eventually(lambda: len(owner.heard) == 2, within=20)
    with moved(timedelta(seconds=60)):
        await eventually(lambda: len(owner.heard) == 3, within=20)

    assert owner.heard[0] == owner.heard[1] == owner.heard[2]


async def test_a_call_that_nobody_hears_is_given_up_and_shown(sandbox: Running) -> None:
    await hook(sandbox, delivery={"url": "http://127.0.0.1:1/nobody"})
    await sandbox.panel.post("/send/bulk", json=BODY)

    async def attempts(at_least: int) -> dict[str, Any]:
        calls: list[dict[str, Any]] = (await sandbox.api.get("/sandbox/calls")).json()["items"]
        tried = (call for call in calls if call["attempts"] >= at_least and call["error"])
        return next((call for call in tried if at_least < 7 or call["due_at"] is None), {})

    call: dict[str, Any] = {}
    for tries in range(1, 8):
        with moved(timedelta(hours=tries)):
            call = await eventually(partial(attempts, tries), within=20)

    assert (call["due_at"], call["done_at"]) == (None, None)
    assert "ConnectError" in call["error"]


@pytest.mark.parametrize(("kind", "told"), [("report_lost", 0), ("report_doubled", 2)])
async def test_a_report_is_lost_or_told_twice_and_the_panel_knows_the_truth(
    sandbox: Running, owner: Owner, kind: str, told: int
) -> None:
    await hook(sandbox, delivery={"url": f"{owner.url}/d"})
    await sandbox.fault(kind, number=SARA, count=1)
    [first] = (await sandbox.panel.post("/send/bulk", json=BODY)).json()["data"]["messageIds"]
    [second] = (await sandbox.panel.post("/send/bulk", json=BODY)).json()["data"]["messageIds"]

    await eventually(lambda: len(owner.heard) == told + 1)

    assert [said["messageid"] for _, _, said in owner.heard].count(str(first)) == told
    assert (await sandbox.panel.get(f"/send/{first}")).json()["data"]["deliveryState"] == 1
    assert second != first


async def test_a_slow_report_comes_after_its_own_delay(sandbox: Running, owner: Owner) -> None:
    await hook(sandbox, delivery={"url": f"{owner.url}/d"})
    await sandbox.fault("report_slow", delay_s=600)
    [id_] = (await sandbox.panel.post("/send/bulk", json=BODY)).json()["data"]["messageIds"]
    before = (await sandbox.panel.get(f"/send/{id_}")).json()["data"]["deliveryState"]

    with moved(timedelta(seconds=601)):
        await eventually(lambda: owner.heard)

    assert before == 5


async def test_an_undelivered_message_is_told_as_such(sandbox: Running, owner: Owner) -> None:
    await hook(sandbox, delivery={"url": f"{owner.url}/d"})
    await sandbox.fault("undelivered", number=SARA)

    await sandbox.panel.post("/send/bulk", json=BODY)

    [(_, _, said)] = await eventually(lambda: owner.heard)
    assert said["status"] == "2"


async def test_a_hook_that_cannot_be_called_is_refused(sandbox: Running) -> None:
    hooks = {"inbound": {"url": "http://127.0.0.1/in", "method": "PATCH"}}

    reply = await sandbox.api.put(f"/sandbox/lines/{DEFAULT_LINE}", json={"hooks": hooks})

    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/hooks/inbound")
