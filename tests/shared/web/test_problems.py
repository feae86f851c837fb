from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic_core import PydanticCustomError, ValidationError

from shared.errors import Conflict, NotFound
from shared.service import Runtime
from shared.web import problems
from shared.web.app import create_app
from shared.web.validation import pointer
from shared.web.validation_messages import message
from tests.shared.web.conftest import SCOPES
from tests.shared.web.notes import SERVICE, NoteTaken
from tests.support.api import client as open_client

JSON = {"Content-Type": "application/json"}
UNKEEPABLE = [
    b"{",
    b"",
    b'{"text": NaN}',
    b'{"text": "\xff"}',
    b'{"text": "\\ud800"}',
    b'{"text": "\\udfff\\ud800"}',
    b'{"text": "\\u0000"}',
    b'{"text": "a\x00b"}',
    b'{"text": "a", "extras": {"deep": [{"er": "\\u0000"}]}}',
    b'{"text": "a", "extras": {"ke\\u0000y": 1}}',
    b'{"text": ' + b"[" * 100_000 + b"}",
    b'{"text": "a", "amount": 9223372036854775808}',
    b'{"text": "a", "amount": 99999999999999999999999999999999}',
    b'{"text": "a", "rank": 2147483648}',
    b'{"text": "a", "rank": 1e400}',
]
FA = {"Accept-Language": "fa-IR,fa;q=0.9,en;q=0.5"}


async def refused(client: httpx.AsyncClient, body: Any, **headers: str) -> dict[str, Any]:
    answer = await client.post("/v1/notes", json=body, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


async def test_a_refusal_has_every_part_of_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes/refused", json={"text": "here"})

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "en"
    assert answer.json() == {
        "type": "urn:peyvand:problem:note_taken",
        "title": "There is such a note",
        "status": 409,
        "code": "note_taken",
        "detail": "There is a note that says 'here'.",
        "errors": [],
        "request_id": answer.headers["x-request-id"],
    }


async def test_a_refusal_speaks_persian_when_asked_to(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes/refused", json={"text": "سلام"}, headers=FA)

    assert answer.headers["content-language"] == "fa"
    assert answer.headers["vary"] == "Accept-Language"
    assert answer.json()["title"] == "چنین یادداشتی هست"
    assert answer.json()["detail"] == "یادداشت «سلام» هست."


async def test_what_is_said_of_a_field_is_persian_too_where_the_refusal_is_about_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    english, persian = await client.get("/v1/notes?cursor=x"), await client.get("/v1/notes?cursor=x", headers=FA)

    assert english.json()["errors"][0]["message"] == "Begin again without a cursor."
    assert persian.json()["errors"][0]["message"] == persian.json()["detail"] != english.json()["detail"]


async def test_the_language_is_the_one_preferred(client: httpx.AsyncClient) -> None:
    spoken = {
        "fa": "fa",
        "fa-IR": "fa",
        "en, fa;q=0.8": "en",
        "en;q=0.3, fa;q=0.8": "fa",
        "de, fa;q=0.2": "fa",
        "de": "en",
        "fa;q=0": "en",
        "fa;q=nonsense": "en",
        "*": "en",
        ";;;,,,": "en",
    }
    answers = {header: await client.get("/nowhere", headers={"Accept-Language": header}) for header in spoken}

    assert {header: answer.headers["content-language"] for header, answer in answers.items()} == spoken


@pytest.mark.parametrize(
    ("body", "place", "code", "english", "persian"),
    [
        ({}, "/text", "missing", "This field is missing; it is required.", "این فیلد نیامده است؛ باید فرستاده شود."),
        (
            {"text": "a", "colour": "red"},
            "/colour",
            "extra_forbidden",
            "There is no such field; leave it out.",
            "چنین فیلدی نیست؛ آن را بردارید.",
        ),
        (
            {"text": 5},
            "/text",
            "string_type",
            "5 is not a text; write it in quotes.",
            "۵ متن نیست؛ متنی میان گیومه بفرستید.",
        ),
        (
            {"text": "a", "rank": "many"},
            "/rank",
            "int_parsing",
            "«many» is not a whole number; write one such as 42.",
            "«many» عدد صحیح نیست؛ مانند 42 بفرستید.",
        ),
        (
            {"text": "a", "rank": -1},
            "/rank",
            "greater_than_equal",
            "-1 is too small; it must be at least 0.",
            "-۱ کوچک است؛ دست‌کم ۰ باشد.",
        ),
        (
            {"text": None},
            "/text",
            "string_type",
            "null is not a text; write it in quotes.",
            "null متن نیست؛ متنی میان گیومه بفرستید.",
        ),
        (
            {"text": {"fa": "سلام"}},
            "/text",
            "string_type",
            "{ … } is not a text; write it in quotes.",
            "{ … } متن نیست؛ متنی میان گیومه بفرستید.",
        ),
        (
            {"text": "a", "rank": 1.5},
            "/rank",
            "int_from_float",
            "1.5 has a fraction; write a whole number such as 42.",
            "۱٫۵ اعشار دارد؛ عدد صحیح مانند 42 بفرستید.",
        ),
        (
            {"text": "a" * 101},
            "/text",
            "string_too_long",
            "The text is too long; it may have at most 100 characters.",
            "متن بلند است؛ بیش از ۱۰۰ نویسه نباشد.",
        ),
        (
            {"text": "a", "kind": "blue"},
            "/kind",
            "literal_error",
            "«blue» is not one of 'plain' or 'urgent'.",
            "«blue» هیچ‌یک از 'plain' یا 'urgent' نیست.",
        ),
        (
            {"text": "a", "written_at": "yesterday"},
            "/written_at",
            "datetime_from_date_parsing",
            "«yesterday» is not a time with its zone; write one such as 2026-11-22T09:30:00Z.",
            "«yesterday» زمان با منطقهٔ زمانی نیست؛ مانند 2026-11-22T09:30:00Z بفرستید.",
        ),
        (
            [],
            "",
            "model_attributes_type",
            "This must be an object with fields: { … }.",
            "اینجا باید شیئی با فیلدها باشد: { … }.",
        ),
    ],
)
async def test_a_field_that_does_not_fit_is_named_with_what_would_be_right(
    client: httpx.AsyncClient, body: Any, place: str, code: str, english: str, persian: str
) -> None:
    said = await refused(client, body)
    in_persian = await refused(client, body, **FA)

    assert said["code"] == "invalid"
    assert said["errors"] == [{"pointer": place, "code": code, "message": english}]
    assert said["detail"] == f"1 field does not fit: {place or '/'}: {english}"
    assert in_persian["errors"] == [{"pointer": place, "code": code, "message": persian}]
    assert in_persian["title"] == "درخواست درست نیست"


async def test_a_wrong_query_or_path_is_named_too(client: httpx.AsyncClient) -> None:
    listed, persian = await client.get("/v1/notes?limit=201"), await client.get("/v1/notes?limit=201", headers=FA)
    changed = await client.patch("/v1/notes/17", json={"text": "a"})

    assert listed.json()["errors"][0] == {
        "pointer": "/query/limit",
        "code": "less_than_equal",
        "message": "«201» is too large; it may be at most 200.",
    }
    assert persian.json()["errors"][0]["message"] == "«۲۰۱» بزرگ است؛ بیش از ۲۰۰ نباشد."
    assert changed.json()["errors"][0]["pointer"] == "/path/note_id"
    assert "ids look like" in changed.json()["errors"][0]["message"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_body_that_cannot_be_kept_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answers = {body: await client.post("/v1/notes", content=body, headers=JSON | headers) for body in UNKEEPABLE}

    assert {body[:80]: answer.status_code for body, answer in answers.items() if answer.status_code != 422} == {}
    assert all(answer.json()["detail"] for answer in answers.values())


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
async def test_json_that_is_not_sent_as_json_is_told_which_header_it_lacks(
    client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.post("/v1/notes", content=b'{"text": "a"}', headers={"Content-Type": kind} | FA)

    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable")
    assert "Content-Type: application/json" in answer.json()["detail"]


async def test_a_nul_is_pointed_at(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes", content=b'{"text": "a", "extras": {"a/b": ["\\u0000"]}}', headers=JSON)

    assert answer.json()["code"] == "unreadable"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/extras/a~1b/0"]


async def test_a_surrogate_pair_is_a_letter_like_any_other(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes", content=b'{"text": "\\ud83c\\udf39"}', headers=JSON)

    assert answer.status_code == 201
    assert answer.json()["text"] == "🌹"


async def test_a_nul_in_the_address_is_never_our_fault(client: httpx.AsyncClient) -> None:
    for address in ("/v1/notes?kind=%00", "/v1/notes?cursor=%00", "/v1/notes/%00", "/v1/n%00tes"):
        assert 400 <= (await client.get(address)).status_code < 500


async def test_an_unknown_path_and_method_are_problems(client: httpx.AsyncClient) -> None:
    nowhere, method = await client.get("/v1/nowhere"), await client.put("/v1/notes")

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "no_such_path")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET, POST"


async def test_a_path_that_is_written_out_is_no_id_of_a_pattern(client: httpx.AsyncClient) -> None:
    changed = await client.patch("/v1/notes/bulk", json={"text": "x"})
    erased = await client.delete("/v1/notes/me")

    assert (changed.status_code, changed.headers["allow"]) == (405, "POST")
    assert (erased.status_code, erased.headers["allow"]) == (405, "GET")
    for no_id in ("everything", "%0D", "%0A%09"):
        assert (await client.patch(f"/v1/notes/{no_id}", json={"text": "x"})).status_code == 422


async def test_a_fault_of_ours_says_nothing_of_its_cause(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await client.get("/v1/notes/broken")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "unforeseen" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "RuntimeError" in "".join(capsys.readouterr())


async def test_a_commit_that_fails_is_not_a_201(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/notes", json={"text": "twice"})
    second = await client.post("/v1/notes", json={"text": "twice"})

    assert first.status_code == 201
    assert second.status_code == 500
    assert len((await client.get("/v1/notes")).json()["items"]) == 1


async def test_a_database_that_is_away_is_a_503_that_passes(
    make_runtime: Callable[..., Awaitable[Runtime]], unused_tcp_port: int
) -> None:
    runtime = await make_runtime(SERVICE)
    runtime.db = type(runtime.db)(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nowhere")
    async with open_client(runtime, SCOPES) as client:
        answers = [
            await client.get("/v1/notes", headers=FA),
            await client.post("/v1/notes", json={"text": "a"}),
            await client.post("/v1/notes", json={"text": "a"}, headers={"Idempotency-Key": "k"}),
        ]
    await runtime.db.close()

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert answers[0].json()["detail"].startswith("پایگاه داده پاسخ نمی‌دهد")


async def test_a_pool_without_a_free_connection_is_a_503(
    make_runtime: Callable[..., Awaitable[Runtime]], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_runtime(SERVICE, pool_size=2)
    monkeypatch.setattr(runtime.db.engine.pool, "_timeout", 0.05)
    async with runtime.db.connection(), runtime.db.connection(), open_client(runtime, SCOPES) as client:
        answer = await client.get("/v1/notes")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


async def test_of_two_transactions_that_lock_each_other_out_one_is_told_to_try_again(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    one, two = [(await client.post("/v1/notes", json={"text": str(number)})).json()["id"] for number in range(2)]
    app.state.meeting = asyncio.Barrier(2)
    answers = await asyncio.gather(*(client.post(f"/v1/notes/{a}/{b}/touch") for a, b in ((one, two), (two, one))))

    done, gave_way = sorted(answers, key=lambda answer: answer.status_code)
    assert done.status_code == 200
    assert (gave_way.status_code, gave_way.json()["code"]) == (503, "contended")
    assert gave_way.headers["retry-after"] == "1"


def test_every_error_of_an_operation_is_documented_with_its_code() -> None:
    class Missing(NotFound):
        code = "missing_note"

    documented = problems(NoteTaken, Missing, Conflict)

    assert set(documented) == {404, 409}
    content = documented[409]["content"]["application/problem+json"]
    assert set(content["examples"]) == {"note_taken", "conflict"}
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_a_pointer_holds_keys_of_the_body_only() -> None:
    body = {"steps": [{"kind": "wait", "for": "soon"}, {"kind": "send"}]}

    assert pointer(("body", "steps", 0, "wait", "for", "int"), body) == "/steps/0/for"
    assert pointer(("body", "steps", 1, "send", "template"), body) == "/steps/1/template"
    assert pointer(("query", "limit"), None) == "/query/limit"
    assert pointer(("body",), None) == ""


def test_a_validator_says_its_own_words_in_both_languages() -> None:
    own = PydanticCustomError("landline", "{phone} is a landline.", {"phone": "021", "fa": "شمارهٔ ثابت است."})
    error = ValidationError.from_exception_data("x", [{"type": own, "loc": ("phone",), "input": "021"}])
    fault = error.errors()[0]

    assert message(dict(fault), persian=False) == "021 is a landline."
    assert message(dict(fault), persian=True) == "شمارهٔ ثابت است."


async def test_a_message_may_quote_what_cannot_be_sent(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/quote")
    async def quote() -> None:
        raise NoteTaken("\ud800")

    answer = await client.get("/quote")

    assert answer.status_code == 409
    assert json.loads(answer.content)["code"] == "note_taken"


def test_an_app_is_made_for_each_runtime_by_itself(runtime: Runtime) -> None:
    assert create_app(runtime).state.metrics is not create_app(runtime).state.metrics
