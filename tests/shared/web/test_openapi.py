from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.web.docs import ASSETS
from shared.web.openapi import describe


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return describe(app)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(method, operation) for path in document["paths"].values() for method, operation in path.items()]


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
                assert set(response["content"]) == {"application/problem+json"}


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
    for name in re.findall(r"#/components/schemas/([^'\"]+)", str(document)):
        assert name in document["components"]["schemas"]


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
