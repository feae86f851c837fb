from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from shared.service import Runtime
from shared.web.middleware import accepted_id
from tests.shared.web.conftest import SCOPES
from tests.shared.web.notes import SERVICE
from tests.support.api import client as open_client

LIMIT = 2048


@pytest.fixture
async def narrow(make_runtime: Callable[..., Awaitable[Runtime]]) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(await make_runtime(SERVICE, max_request_bytes=LIMIT), SCOPES) as http:
        yield http


def in_chunks(size: int, count: int) -> AsyncIterator[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"text": "'
        for _ in range(count):
            yield b"a" * size
        yield b'"}'

    return chunks()


@pytest.mark.parametrize("path", ["/v1/notes", "/v1/notes/bulk"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_body_above_the_limit_is_refused_with_and_without_its_length(
    narrow: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    headers = headers | {"Content-Type": "application/json"}
    said = await narrow.post(path, content=b"x" * (LIMIT + 1), headers=headers)
    chunked = await narrow.post(path, content=in_chunks(512, 5), headers=headers)

    for answer in (said, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert "2048 bytes" in answer.json()["detail"]
        assert answer.headers["x-request-id"]
    assert "transfer-encoding" in chunked.request.headers
    persian = await narrow.post(path, content=b"x" * (LIMIT + 1), headers=headers | {"Accept-Language": "fa"})
    assert "۲۰۴۸ بایت" in persian.json()["detail"]


async def test_a_body_at_the_limit_is_taken(narrow: httpx.AsyncClient) -> None:
    content = b'{"text": "a"' + b" " * (LIMIT - 13) + b"}"
    answer = await narrow.post("/v1/notes", content=content, headers={"Content-Type": "application/json"})

    assert len(content) == LIMIT
    assert answer.status_code == 201


async def test_a_length_that_is_none_is_refused(app: FastAPI) -> None:
    for length in ("-1", "many", "1.5", "9" * 400, "٣"):
        assert await status_of(app, length.encode()) == 413


async def status_of(app: FastAPI, length: bytes) -> int:
    statuses: list[int] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/notes/open",
        "query_string": b"",
        "headers": [(b"content-length", length)],
    }

    async def send(message: dict[str, int]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


@pytest.mark.parametrize("headers", [[], [(b"idempotency-key", b"k")]])
async def test_a_client_that_goes_away_as_it_sends_is_no_fault_of_ours(
    app: FastAPI, headers: list[tuple[bytes, bytes]]
) -> None:
    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def nobody(_: object) -> None: ...

    scope = {"type": "http", "method": "POST", "path": "/v1/notes/open", "query_string": b"", "headers": headers}
    with capture_logs() as lines:
        await app(scope, gone, nobody)

    assert [line["event"] for line in lines if line["log_level"] == "error"] == []
    assert lines[-1]["status"] in {400, 499}


async def test_a_request_id_is_made_or_taken_over(client: httpx.AsyncClient) -> None:
    made = await client.get("/v1/notes/me")
    taken = await client.get("/v1/notes/me", headers={"X-Request-ID": "checkout-4711.a"})

    assert UUID(made.headers["x-request-id"]).version == 7
    assert taken.headers["x-request-id"] == "checkout-4711.a"


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("01a203af-3b49-7420-9b13-dbb08f38cede", True),
        ("4bf92f3577b34da6a3ce929d0e0e4736", True),
        ("short", False),
        ("x" * 65, False),
        ("with spaces", False),
        ("line\nbreak", False),
        ("+989990001234", False),
        ("989990001234", False),
        ("09990001234", False),
        ("9990001234", False),
        ("call-09990001234", True),
        ("۰۹۹۹۰۰۰۱۲۳۴", False),
        (None, False),
    ],
)
def test_an_id_that_may_be_a_number_to_call_is_not_taken_over(given: str | None, accepted: bool) -> None:
    assert accepted_id(given) == (given if accepted else None)


async def test_events_of_a_request_know_what_they_follow_from(client: httpx.AsyncClient) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    alone = await client.get("/v1/notes/cause")
    within = await client.get("/v1/notes/cause", headers={"X-Correlation-ID": "order-4711", "traceparent": trace})
    forged = await client.get("/v1/notes/cause", headers={"X-Correlation-ID": "09990001234", "traceparent": "me"})

    assert alone.json() == {"correlation_id": alone.headers["x-request-id"], "traceparent": None}
    assert within.json() == {"correlation_id": "order-4711", "traceparent": trace}
    assert forged.json() == {"correlation_id": forged.headers["x-request-id"], "traceparent": None}


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/v1/notes", "/nowhere", "/v1/notes/broken", "/healthz"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


async def test_a_page_may_run_its_own_scripts_only(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/v1/notes/page")).headers["content-security-policy"]

    assert policy.startswith("default-src 'self';")
    assert "script" not in policy


async def test_the_access_log_knows_the_route_and_no_person(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/v1/notes?kind=09990001234", headers={"X-Request-ID": "checkout-4711"})
        await client.patch("/v1/notes/01a203af-3b49-7420-9b13-dbb08f38cede", json={"text": "سارا نمونه"})

    logged = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in logged] == [
        ("GET", "/v1/notes", 200),
        ("PATCH", "/v1/notes/{note_id}", 404),
    ]
    assert "0999" not in str(lines)
    assert "سارا" not in str(lines)


async def test_no_page_of_another_origin_may_call_unless_it_is_listed(
    make_runtime: Callable[..., Awaitable[Runtime]], client: httpx.AsyncClient
) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key,content-type",
    }
    listed = {"Origin": "https://crm.example"} | preflight
    assert "access-control-allow-origin" not in (await client.options("/v1/notes", headers=listed)).headers

    runtime = await make_runtime(SERVICE, cors_origins="https://crm.example, https://desk.example")
    async with open_client(runtime, SCOPES) as open_to_pages:
        allowed = await open_to_pages.options("/v1/notes", headers=listed)
        refused = await open_to_pages.options("/v1/notes", headers=listed | {"Origin": "https://evil.example"})
        read = await open_to_pages.get("/v1/notes", headers={"Origin": "https://desk.example"})

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://crm.example")
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-credentials" not in {*allowed.headers, *refused.headers, *read.headers}
    assert read.headers["access-control-allow-origin"] == "https://desk.example"
    assert "X-Request-ID" in read.headers["access-control-expose-headers"]
