from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.web.app import create_app
from shared.web.docs import ASSETS
from shared.web.openapi import describe
from tests.conftest import MakeRuntime
from tests.shared.web.notes import SERVICE
from tests.support.api import token


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return describe(app)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(method, operation) for path in document["paths"].values() for method, operation in path.items()]


def followed(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the document, or what it refers to."""
    _, _, kind, name = part["$ref"].split("/") if "$ref" in part else ("", "", "", "")
    return dict(document["components"][kind][name]) if name else part


def test_the_description_is_openapi_31_and_holds_no_operational_paths(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert all(path.startswith("/v1/") for path in document["paths"])


def test_operation_ids_are_the_names_of_the_functions(document: dict[str, Any]) -> None:
    assert document["paths"]["/v1/notes"]["post"]["operationId"] == "write_note"
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_an_operation_is_summed_up_by_its_name_unless_it_says_more(document: dict[str, Any]) -> None:
    assert document["paths"]["/v1/notes"]["post"]["summary"] == "Write note"
    assert document["paths"]["/v1/notes"]["get"]["summary"] == "Read the notes, the newest first"


def test_the_example_of_a_page_shows_what_it_lists(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Page_NoteOut_"]["examples"] == [
        {"items": [{"id": "01a203af-3b49-7420-9b13-dbb08f38cede", "text": "سلام"}], "next_cursor": None}
    ]


def test_every_operation_says_what_scope_it_asks_for(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    assert document["paths"]["/v1/notes"]["post"]["security"] == [{"bearer": ["notes:write"]}]
    assert "security" not in document["paths"]["/v1/notes/open"]["post"]
    assert {"401", "403"} <= set(document["paths"]["/v1/notes"]["post"]["responses"])


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == {
        "type", "title", "status", "code", "detail", "errors", "request_id",
    }  # fmt: skip
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(followed(document, response)["content"]) == {"application/problem+json"}


def test_every_operation_says_what_the_machinery_refuses(document: dict[str, Any]) -> None:
    for method, operation in operations(document):
        reads = method == "post" or "requestBody" in operation
        known = {"422", "429", "500", "503"} | ({"408", "413"} if reads else set())
        known |= {"401", "403"} if "security" in operation else set()
        assert known <= set(operation["responses"])
        assert reads == bool({"408", "413"} & set(operation["responses"]))
        for status in ("429", "503"):
            waits = followed(document, operation["responses"][status])["headers"]["Retry-After"]
            assert followed(document, waits)["required"] is True


def test_what_all_operations_refuse_is_written_once(document: dict[str, Any]) -> None:
    listing = document["paths"]["/v1/notes"]["get"]["responses"]
    assert {status for status, answer in listing.items() if set(answer) == {"$ref"}} == set(listing) - {"200"}
    for _, operation in operations(document):
        for answer in operation["responses"].values():
            examples = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
            assert all(set(example) == {"$ref"} for example in examples.values())


async def test_what_the_machinery_refuses_is_as_it_is_described(make_runtime: MakeRuntime) -> None:
    app = create_app(
        await make_runtime(
            SERVICE, max_request_bytes=1024, request_deadline_s=0.2, requests_per_s=0.1, requests_burst=3
        )
    )
    app.state.gate = asyncio.Event(), asyncio.Event()
    headers = {"Authorization": f"Bearer {token(('notes:admin',), subject='sara')}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as http:
        answers = [
            await http.post("/v1/notes/slow", json={"text": "سلام"}, headers={"Authorization": "Bearer none"}),
            await http.post("/v1/notes/slow?wrong=1", json={"text": "سلام"}),
            await http.post("/v1/notes/slow", json={"text": "س" * 1024}),
            await http.post("/v1/notes/slow", json={"text": "سلام"}),
            *[await http.post("/v1/notes/slow", json={}) for _ in range(2)],
        ]

    described = describe(app)["paths"]["/v1/notes/slow"]["post"]["responses"]
    assert [answer.status_code for answer in answers] == [401, 422, 413, 503, 422, 429]
    for answer in answers:
        said = followed(describe(app), described[str(answer.status_code)])
        assert [name for name in said.get("headers", ()) if name not in answer.headers] == []
        assert answer.headers["content-type"] in said["content"]


def test_a_post_says_that_it_keeps_idempotency_keys(document: dict[str, Any]) -> None:
    for method, operation in operations(document):
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert ("Idempotency-Key" in names) == (method == "post")
    responses = document["paths"]["/v1/notes"]["post"]["responses"]
    assert set(responses["409"]["content"]["application/problem+json"]["examples"]) == {
        "note_taken",
        "idempotency_key_in_flight",
    }


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = re.findall(r"#/components/(\w+)/([^'\"]+)", str(document))
    assert {kind for kind, _ in references} == {"schemas", "responses", "headers", "examples"}
    for kind, name in references:
        assert name in document["components"][kind]


async def test_the_docs_page_asks_for_nothing_but_itself(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        page = await http.get("/docs")
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        parts = [await http.get(f"/docs{address}") for address in addresses]
        described = await http.get("/docs?asset=openapi.json")
        nothing = await http.get("/docs?asset=../main.py")
        same = await http.get("/openapi.json")

    assert page.headers["content-type"].startswith("text/html")
    assert len(addresses) == 4
    assert all(address.startswith("?asset=") for address in addresses)
    assert [part.status_code for part in parts] == [200] * 4
    assert 'url: "?asset=openapi.json"' in parts[-1].text
    assert described.json() == same.json()
    assert nothing.status_code == 404


@pytest.mark.parametrize(("asset", "media"), ASSETS.items())
async def test_the_assets_come_from_the_environment(app: FastAPI, asset: str, media: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        answer = await http.get(f"/docs?asset={asset}")

    assert answer.headers["content-type"].startswith(media)
    assert "max-age" in answer.headers["cache-control"]
    assert len(answer.content) > 500
