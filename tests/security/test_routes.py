"""What every route refuses, whichever routes there are: no request gets as far as the database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from services.embedded import SERVICES
from services.sandbox.app import open_sandbox
from shared.clock import utcnow
from shared.service import Service
from shared.web.auth import IMPLIED
from shared.web.tokens import sign_token
from tests.security.walking import Walked, others, walk, without_database
from tests.support.api import ALL_SCOPES, keys, token
from tests.support.postgres import TestServer

PUBLIC_PATHS = {
    "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/u/{token}", "/dashboard", "/dashboard/{name}",
    "/webhooks/{account_id}/{secret}/{kind}",
}  # fmt: skip
"""What needs no token, each for a reason; a new one is to be added here by hand."""

SEARCHES = {"leads": {"/v1/leads"}, "customers": {"/v1/customers"}}
"""What of a person's name may be searched for by its beginning."""

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def claims() -> dict[str, Any]:
    end = (utcnow() + timedelta(hours=1)).timestamp()
    return {"sub": "somebody", "scope": " ".join(ALL_SCOPES), "exp": int(end)}


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def without_signature(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm})}.{encoded(claims())}."


def signed_with_the_public_key() -> str:
    """Return a token whose signature is right for who takes our public key as a shared secret."""
    said = f"{encoded({'alg': 'HS256'})}.{encoded(claims())}"
    signature = hmac.digest(keys().public_pem.encode(), said.encode(), hashlib.sha256)
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def of_another_key() -> str:
    return jwt.encode({"alg": "ES256"}, claims(), ECKey.generate_key("P-256"))


def expired() -> str:
    return sign_token(keys().private_pem, "somebody", ALL_SCOPES, lifetime=timedelta(seconds=-1))


FORGERIES: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "an expired one": expired,
    "one of another key": of_another_key,
    "one signed by none": lambda: without_signature("none"),
    "one signed by nOnE": lambda: without_signature("nOnE"),
    "one without its signature": lambda: without_signature("ES256"),
    "one signed with the public key": signed_with_the_public_key,
}


@pytest.fixture
def app(service: Service) -> FastAPI:
    return without_database(service)


async def ask(app: FastAPI, route: Walked, given: str | None) -> httpx.Response:
    """Ask a route by a token, with a body that would be taken."""
    headers = {"Authorization": f"Bearer {given}"} if given is not None else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as http:
        return await http.request(route.method, route.at({}), json=route.example)


def guarded(app: FastAPI, service: Service) -> list[Walked]:
    return [route for route in walk(app, service.name) if not route.is_public]


@services
def test_a_path_needs_a_token_unless_it_is_known_here_to_need_none(app: FastAPI, service: Service) -> None:
    assert {route.path for route in walk(app, service.name) if route.is_public} <= PUBLIC_PATHS
    assert guarded(app, service)


@services
def test_a_route_asks_for_scopes_of_its_own_service_and_writes_by_more_than_reading(
    app: FastAPI, service: Service
) -> None:
    reading = f"{service.name}:read"
    for route in guarded(app, service):
        assert {scope.partition(":")[0] for scope in route.scopes} == {service.name}, route
        assert route.method == "GET" or route.scopes != (reading,) or route.is_preview, route


@services
@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
async def test_every_route_refuses(app: FastAPI, service: Service, forged: Callable[[], str | None]) -> None:
    answers = {str(route): await ask(app, route, forged()) for route in guarded(app, service)}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 401} == {}
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {"Bearer"}


@services
async def test_every_route_refuses_the_scopes_of_all_other_services(app: FastAPI, service: Service) -> None:
    given = token(others(service.name))
    answers = {str(route): (await ask(app, route, given)).status_code for route in guarded(app, service)}

    assert set(answers.values()) == {403}, answers


@services
async def test_every_route_refuses_a_scope_that_does_not_reach_as_far(app: FastAPI, service: Service) -> None:
    """The next smaller reach than the route's is refused, and its own gets further than that."""
    lower = {"read": [], "write": ["read"], "admin": ["write"]}
    for route in guarded(app, service):
        reach = route.scopes[0].partition(":")[2]
        assert reach in {*IMPLIED, "read"}, route
        less = [f"{service.name}:{each}" for each in lower[reach]]
        assert (await ask(app, route, token([*less, "pii:read"]))).status_code == 403, route
        assert (await ask(app, route, token(route.scopes))).status_code not in {401, 403}, route


@services
async def test_what_is_masked_cannot_be_searched_for_letter_by_letter(app: FastAPI, service: Service) -> None:
    """The beginnings of a name, asked for one after another, would tell all of it."""
    reading = [f"{service.name}:read"]
    searches = {
        route.path
        for route in guarded(app, service)
        for parameter in app.openapi()["paths"].get(route.path, {}).get(route.method.lower(), {}).get("parameters", ())
        if parameter["name"] == "name"
    }
    assert searches == SEARCHES.get(service.name, set())
    for path in searches:
        route = Walked(service.name, "GET", f"{path}?name=sa", ())
        assert (await ask(app, route, token(reading))).status_code == 403, route
        assert (await ask(app, route, token([*reading, "pii:read"]))).status_code not in {401, 403}, route


async def test_every_route_of_the_sandboxs_panel_asks_for_its_key(server: TestServer) -> None:
    async with server.database("template_empty", _leave_empty) as url, open_sandbox(url, smtp_port=0) as sandbox:
        panel = [route for route in walk(sandbox, "sandbox") if "/smsir/" in route.path]
        answers = {str(route): (await ask(sandbox, route, "a token")).json()["status"] for route in panel}

    assert len(answers) > 10
    assert set(answers.values()) == {10}, answers


async def _leave_empty(_url: str) -> None:
    """Make nothing: the sandbox does."""
