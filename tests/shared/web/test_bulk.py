from __future__ import annotations

import asyncio
import json
import threading
import tracemalloc
from typing import Annotated, Any

import httpx
import msgspec
import pytest

from shared.errors import PayloadTooLarge
from shared.web import bulk
from shared.web.bulk import ItemError, NoItems, parse
from tests.shared.web.notes import NoteIn

NDJSON = {"Content-Type": "application/x-ndjson"}


class Line(msgspec.Struct):
    amount: Annotated[int, msgspec.Meta(ge=0)]


class Purchase(msgspec.Struct):
    external_id: str
    lines: list[Line] = []


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"external_id": f"n{number}", "text": f"note {number}"} | more


ITEMS = [item(1), {"external_id": "n2"}, item(3, rank="first"), item(4), 7]
FAULTS = [
    {"pointer": "/items/1/text", "code": "missing"},
    {"pointer": "/items/2/rank", "code": "wrong_value"},
    {"pointer": "/items/4", "code": "wrong_value"},
]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps({"items": ITEMS}), {}),
        (json.dumps(ITEMS), {"Content-Type": "application/json"}),
        ("\n".join(json.dumps(one) for one in ITEMS), NDJSON),
        ("\r\n\r\n".join(json.dumps(one) for one in ITEMS) + "\r\n", NDJSON),
    ],
)
async def test_each_item_is_read_by_itself_in_every_form(
    client: httpx.AsyncClient, body: str, headers: dict[str, str]
) -> None:
    answer = await client.post("/v1/notes/bulk", content=body, headers=headers)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"read": 2, "errors": FAULTS}


async def test_ten_thousand_items_are_taken_and_one_more_is_not(client: httpx.AsyncClient) -> None:
    body = {"items": [item(number % 100) for number in range(10_001)]}
    refused = await client.post("/v1/notes/bulk", json=body)
    del body["items"][0]
    taken = await client.post("/v1/notes/bulk", json=body)

    assert (refused.status_code, refused.json()["code"]) == (413, "too_many_items")
    assert "10001 items are too many" in refused.json()["detail"]
    assert "at most 10000" in refused.json()["detail"]
    assert taken.json() == {"read": 10_000, "errors": []}


@pytest.mark.parametrize(
    ("body", "lines"), [(b"[" + b"1," * 2**22 + b"1]", False), (b"1\n" * 2**22, True), (b"\r" * 2**22, True)]
)
def test_a_body_of_endlessly_many_items_is_refused_before_it_is_read(body: bytes, *, lines: bool) -> None:
    tracemalloc.start()
    with pytest.raises(PayloadTooLarge, match="more than 2000000 values"):
        parse(body, NoteIn, lines=lines, most=10)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert used < 2**20


async def test_a_body_without_items_says_what_it_should_be(client: httpx.AsyncClient) -> None:
    for body in ("{}", "[]", '{"items": []}', '{"items": 5}', '"items"', '{"notes": []}', "5"):
        answer = await client.post("/v1/notes/bulk", content=body)

        assert (answer.status_code, answer.json()["code"]) == (422, "no_items")
        assert "NDJSON" in answer.json()["detail"]


async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{", b"[1,", b'{"items": [}', b"\xff", b"[" * 100_000, b'{"items": [' + b"[" * 100_000):
        answer = await client.post("/v1/notes/bulk", content=body)

        assert (answer.status_code, answer.json()["code"]) == (422, "unreadable"), body


async def test_a_line_that_is_no_json_spoils_no_other(client: httpx.AsyncClient) -> None:
    body = b'{"external_id": "1", "text": "a"}\n{"external\n\xff\n{"external_id": "2", "text": "b"}'
    answer = await client.post("/v1/notes/bulk", content=body, headers=NDJSON)

    assert answer.json()["read"] == 2
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/items/1", "/items/2"]


async def test_text_that_cannot_be_kept_is_its_lines_fault_alone(client: httpx.AsyncClient) -> None:
    for text in ("\\u0000", "a\\u0000b", "\\ud800", "\\udc00\\ud800"):
        body = '{"external_id": "1", "text": "a"}\n{"external_id": "2", "text": "TEXT"}'.replace("TEXT", text)
        answer = await client.post("/v1/notes/bulk", content=body, headers=NDJSON)

        assert (answer.status_code, answer.json()["read"]) == (200, 1)
        assert answer.json()["errors"][0]["pointer"].startswith("/items/1")


async def test_a_nul_in_an_array_is_its_items_fault_alone(client: httpx.AsyncClient) -> None:
    body = '[{"external_id": "1", "text": "a"}, {"external_id": "2", "text": "\\u0000"}]'
    answer = await client.post("/v1/notes/bulk", content=body)

    assert answer.json() == {"read": 1, "errors": [{"pointer": "/items/1/text", "code": "unkeepable_text"}]}


def test_a_fault_deep_inside_is_pointed_at() -> None:
    body = b'[{"external_id": "1", "lines": [{"amount": 1}, {"amount": -5}]}, {"external_id": "2", "lines": [{}]}]'
    read = parse(body, Purchase, lines=False, most=10)

    pointers = [one.errors[0].pointer for one in read if isinstance(one, ItemError)]
    assert pointers == ["/items/0/lines/1/amount", "/items/1/lines/0/amount"]


def test_a_limit_of_its_own_is_kept() -> None:
    with pytest.raises(PayloadTooLarge):
        parse(b"[1,2,3]", NoteIn, lines=False, most=2)
    with pytest.raises(NoItems):
        parse(b" \n \n", NoteIn, lines=True, most=2)


async def test_a_large_body_is_read_off_the_loop(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: set[int] = set()

    def noted(*arguments: Any, **named: Any) -> Any:
        readers.add(threading.get_ident())
        return parse(*arguments, **named)

    monkeypatch.setattr(bulk, "parse", noted)
    few = {"items": [item(number) for number in range(3)]}
    many = {"items": [item(number, text="x" * 300) for number in range(1_001)]}
    await client.post("/v1/notes/bulk", json=few)
    assert readers == {threading.get_ident()}
    await asyncio.gather(client.post("/v1/notes/bulk", json=many))

    assert len(readers) == 2
