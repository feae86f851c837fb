"""What is refused of messages, automations and templates is said in Persian, field by field, to whoever asks so."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from shared.ids import new_id

SOMEBODY = {"person_id": str(new_id())}
TEMPLATE = {"code": "odd", "purpose": "service", "title": "x", "title_fa": "x"}
READY = TEMPLATE | {"code": "ready", "variables": ["order_number"], "bodies": {"fa": {"text": "{{ order_number }}"}}}
NO_SUCH = {"type": "send", "template": "no_such"}


@pytest.mark.parametrize(
    ("method", "path", "body", "names"),
    [
        ("POST", "messages", SOMEBODY, ["text", "purpose"]),
        ("POST", "messages", SOMEBODY | {"template": "no_such"}, ["no_such"]),
        ("POST", "messages", SOMEBODY | {"template": "ready"}, ["order_number"]),
        ("POST", "messages", SOMEBODY | {"template": "welcome", "text": "سلام"}, ["template"]),
        ("POST", "messages", SOMEBODY | {"template": "welcome", "purpose": "promotional"}, ["welcome"]),
        ("PATCH", "automations/thank_you_coupon", {"trigger": "lead.dreamt_of"}, ["lead.dreamt_of"]),
        ("PATCH", "automations/thank_you_coupon", {"steps": [{"type": "wait", "days": 1}]}, ["send"]),
        ("PATCH", "automations/thank_you_coupon", {"steps": [NO_SUCH]}, ["no_such"]),
        ("POST", "templates", TEMPLATE | {"bodies": {"fa": {"text": "{{ nobody }}"}}}, ["nobody"]),
    ],
)
async def test_every_field_is_told_in_persian_what_is_wrong_with_it(
    method: str, path: str, body: dict[str, Any], names: list[str], client: httpx.AsyncClient
) -> None:
    await client.post("/v1/templates", json=READY)
    reply = await client.request(method, f"/v1/{path}", json=body, headers={"Accept-Language": "fa"})
    messages = [error["message"] for error in reply.json()["errors"]]

    assert reply.status_code == 422
    assert len(set(messages)) == len(messages) == len(names)
    assert all(re.search("[آ-ی]", message) for message in messages)
    assert [name in message for name, message in zip(names, messages, strict=True)] == [True] * len(names)
