"""Bodies that are meant to do harm, at every route that takes one: refused, and never a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from services.customers.app import SERVICE as CUSTOMERS
from services.embedded import SERVICES
from services.leads.app import SERVICE as LEADS
from shared.service import Runtime, Service
from tests.security.walking import walk, without_database
from tests.support.api import client, token

DEPTH = 100_000
HARMFUL = {
    "nested lists": b"[" * DEPTH + b"]" * DEPTH,
    "nested lists without an end": b"[" * DEPTH,
    "nested objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "a field that is nested": b'{"first_name":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "half a surrogate pair": b'{"first_name": "\\ud800"}',
    "a NUL beside deep lists": b'{"first_name": "\\u0000", "items": %b}' % (b"[" * 1_000 + b"]" * 1_000),
    "a NUL": b'{"first_name": "a\\u0000b", "items": "\\u0000"}',
    "no UTF-8": b'{"first_name": "\xff\xfe"}',
    "not a number": b'{"amount_minor": NaN, "items": NaN}',
    "an endless number": b'{"amount_minor": ' + b"9" * 100_000 + b"}",
    "nothing": b"",
}
CONTROLS = "\u202e\u202d\u202a\u2066\u2067\u2069\u0007"
"""Characters that turn what is read around, or hide it."""


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
async def test_no_route_breaks_by_a_harmful_body(service: Service, body: bytes) -> None:
    """JSON that can be read may get as far as the database, which is away here.

    Bulk routes, which open their transaction first, are asked the same in tests/shared/web/test_bulk.py.
    """
    app = without_database(service)
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as http:
        for route in walk(app, service.name):
            if route.example is not None and not route.is_public and not route.path.endswith("/bulk"):
                answer = await http.request(route.method, route.at({}), content=body)
                asked_for_data = answer.json()["code"] == "database_unavailable"
                assert answer.status_code < 500 or asked_for_data, (str(route), answer.text[:300])
                assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_route_reads_endlessly_many_fields(service: Service) -> None:
    body = b"{" + b",".join(b'"%x": 1' % number for number in range(60_000)) + b"}"
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    app = without_database(service)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as http:
        for route in walk(app, service.name):
            if route.example is not None and not route.is_public and not route.path.endswith("/bulk"):
                answer = await http.request(route.method, route.at({}), content=body)
                assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large"), str(route)


@pytest.mark.parametrize(
    ("service", "path", "person"),
    [
        (LEADS, "/v1/leads", {"phone": "09990001234", "source": "website"}),
        (CUSTOMERS, "/v1/customers", {"phones": ["09990001234"]}),
    ],
    ids=["leads", "customers"],
)
async def test_a_name_turns_nothing_around(
    make_runtime: Callable[[Service], Awaitable[Runtime]], service: Service, path: str, person: dict[str, object]
) -> None:
    names = {"first_name": f"سا{CONTROLS}را", "last_name": f"{CONTROLS}نمونه{CONTROLS}"}
    async with client(await make_runtime(service)) as http:
        answer = await http.post(path, json=person | names)

    assert answer.status_code == 201, answer.text
    assert (answer.json()["first_name"], answer.json()["last_name"]) == ("سارا", "نمونه")
