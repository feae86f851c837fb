"""Every fault, switched on and ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.sandbox.settings import DEFAULT_LINE
from shared.clock import moved
from tests.sandbox.conftest import Running

SARA = "09990001234"
BODY = {"lineNumber": DEFAULT_LINE, "messageText": "سلام", "mobiles": [SARA]}


async def send(sandbox: Running, **more: Any) -> httpx.Response:
    return await sandbox.panel.post("/send/bulk", json=BODY, **more)


async def faults(sandbox: Running) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await sandbox.api.get("/sandbox/faults")).json()["items"]
    return items


async def test_a_send_that_times_out_was_accepted_all_the_same(sandbox: Running) -> None:
    await sandbox.fault("timeout_after_accept", count=1, delay_s=2)

    with pytest.raises(httpx.ReadTimeout):
        await send(sandbox, timeout=0.5)

    assert await sandbox.shown(SARA) == ["سلام"]
    assert (await send(sandbox)).json()["status"] == 1


async def test_a_connection_is_closed_after_the_send_was_accepted(sandbox: Running) -> None:
    await sandbox.fault("close_connection", count=1)

    with pytest.raises(httpx.RemoteProtocolError):
        await send(sandbox)

    assert await sandbox.shown(SARA) == ["سلام"]


@pytest.mark.parametrize(("kind", "http", "status"), [("http_429", 429, 20), ("http_500", 500, 0)])
async def test_a_refused_request_sends_nothing(sandbox: Running, kind: str, http: int, status: int) -> None:
    await sandbox.fault(kind, count=2)

    replies = [await send(sandbox) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [http, http, 200]
    assert replies[0].json()["status"] == status
    assert len(await sandbox.shown(SARA)) == 1


async def test_a_slow_panel_answers_in_the_end(sandbox: Running) -> None:
    await sandbox.fault("slow", count=1, delay_s=0.5)

    with pytest.raises(httpx.ReadTimeout):
        await send(sandbox, timeout=0.1)
    assert (await send(sandbox)).json()["status"] == 1


async def test_a_count_is_never_exceeded_by_requests_at_once(sandbox: Running) -> None:
    await sandbox.fault("http_500", count=3)

    replies = await asyncio.gather(*(send(sandbox) for _ in range(12)))

    assert sorted(reply.status_code for reply in replies) == [200] * 9 + [500] * 3


async def test_a_fault_ends_at_its_time(sandbox: Running) -> None:
    await sandbox.fault("http_500", seconds=60)

    with moved(timedelta(seconds=61)):
        assert (await send(sandbox)).status_code == 200
        assert await faults(sandbox) == []


async def test_a_fault_strikes_its_number_only(sandbox: Running) -> None:
    await sandbox.fault("blacklist", number="۰۹۹۹۰۰۰۵۶۷۸")

    ids = (await sandbox.panel.post("/send/bulk", json={**BODY, "mobiles": [SARA, "09990005678"]})).json()["data"]

    assert ids["messageIds"][0] > 0
    assert ids["messageIds"][1] == 0
    assert [fault["target"] for fault in await faults(sandbox)] == ["09990005678"]


async def test_a_share_strikes_some_of_many(sandbox: Running) -> None:
    await sandbox.fault("blacklist", share=0.5)
    mobiles = [f"0999000{n:04}" for n in range(100)]

    ids = (await sandbox.panel.post("/send/bulk", json={**BODY, "mobiles": mobiles})).json()["data"]["messageIds"]

    assert 0 < ids.count(0) < 100


async def test_faults_are_switched_off_one_by_one_and_all_at_once(sandbox: Running) -> None:
    for kind in ("http_500", "http_429", "slow"):
        await sandbox.fault(kind)
    first = (await faults(sandbox))[0]["id"]

    await sandbox.api.delete(f"/sandbox/faults/{first}")
    left = [fault["kind"] for fault in await faults(sandbox)]
    await sandbox.api.delete("/sandbox/faults")

    assert left == ["http_429", "slow"]
    assert await faults(sandbox) == []


async def test_a_fault_that_does_not_fit_names_the_field(sandbox: Running) -> None:
    bodies: list[tuple[dict[str, Any], str]] = [
        ({"kind": "earthquake"}, "/kind"),
        ({"kind": "slow", "share": 2}, "/share"),
        ({"kind": "slow", "count": 0}, "/count"),
        ({"kind": "blacklist", "number": "02188001234"}, "/number"),
    ]
    for body, pointer in bodies:
        reply = await sandbox.api.post("/sandbox/faults", json=body)
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer)
