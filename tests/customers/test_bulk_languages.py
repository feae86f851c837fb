"""What is wrong with an item of a bulk request is said in the language that is asked for, as any other refusal."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from shared.ids import new_id
from tests.customers.people import PHONE, opened

PERSIAN = re.compile("[آ-ی]")
PURCHASES = [
    {"person_id": str(new_id()), "amount_minor": 5},
    {"person_id": str(new_id())},
    {"phone": "۰۹۹۹ ۰۰۰", "amount_minor": 5, "currency": "EUR", "occurred_at": "3026-01-01T00:00:00Z"},
    {"phone": PHONE, "amount_minor": -5},
    {"phone": PHONE, "amount_minor": 5, "colour": "red"},
    {"phone": PHONE, "amount_minor": 5, "coupon_code": "NOSUCH"},
    {"phone": PHONE, "amount_minor": 5, "channel": "a\x00b"},
    {"source": "shop", "external_id": "one", "person_id": str(new_id()), "amount_minor": 5},
    {"source": "shop", "external_id": "one", "person_id": str(new_id()), "amount_minor": 5},
    7,
]
CUSTOMERS = [
    {},
    {"external_id": "C-1"},
    {"phones": ["021"], "emails": ["sara@"], "birth_date": "3026-01-01", "birth_date_jalali": "1405-13-01"},
    {"source": "crm", "external_id": "C-2", "phones": [PHONE, "09990004321"]},
    {"phones": [PHONE], "consent_at": "3026-01-01T00:00:00Z"},
]


@pytest.mark.parametrize(("path", "items"), [("/v1/purchases/bulk", PURCHASES), ("/v1/customers/bulk", CUSTOMERS)])
async def test_what_is_wrong_with_an_item_is_said_in_the_language_asked_for(
    client: httpx.AsyncClient, path: str, items: list[Any]
) -> None:
    await opened(client, PHONE)
    await opened(client, "09990004321")
    english = await client.post(path, json={"items": items})
    persian = await client.post(path, json={"items": items}, headers={"Accept-Language": "fa"})

    assert [each.headers["content-language"] for each in (english, persian)] == ["en", "fa"]
    assert english.json()["errors"] == persian.json()["errors"] == len(items)
    assert [PERSIAN.search(said) for said in messages(english)] == [None] * len(messages(english))
    assert [said for said in messages(persian) if not PERSIAN.search(said)] == []
    assert faults(english) == faults(persian)


def messages(reply: httpx.Response) -> list[str]:
    return [error["message"] for result in reply.json()["results"] for error in result["errors"]]


def faults(reply: httpx.Response) -> list[tuple[str, str]]:
    return [(each["pointer"], each["code"]) for result in reply.json()["results"] for each in result["errors"]]
