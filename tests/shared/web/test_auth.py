"""Who is admitted: by whose tokens, for how long, and how far they reach."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from shared.clock import moved
from shared.ids import new_id
from shared.service import Runtime
from shared.web.app import create_app
from shared.web.auth import granted
from shared.web.tokens import sign_token
from tests.shared.web.callers import GOOD, NOW, ask, signed
from tests.shared.web.notes import SERVICE
from tests.support.api import keys, token

DAY_S = 86_400


@pytest.fixture
async def anybody(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join(parts) + "."


async def test_without_a_token_there_is_a_401_that_says_how(anybody: httpx.AsyncClient) -> None:
    for header in (None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token abc"):
        headers = {"Authorization": header} if header is not None else {}
        answer = await anybody.get("/v1/notes/me", headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["detail"]


def forgeries() -> Iterator[tuple[str, str]]:
    public_pem = keys().public_pem
    valid = signed(GOOD)
    head, body, signature = valid.split(".")
    yield "algorithm none", unsigned({"alg": "none"}, GOOD)
    yield "algorithm None", unsigned({"alg": "None", "typ": "JWT"}, GOOD)
    hmac = jwt.encode({"alg": "HS256"}, GOOD, OctKey.import_key("x" * 32))
    yield "a shared secret", hmac
    with_pem = jwt.encode({"alg": "HS256"}, GOOD, OctKey.import_key(public_pem.encode().replace(b"-", b"_")))
    yield "the public key as a shared secret", with_pem
    yield "another key", jwt.encode({"alg": "ES256"}, GOOD, ECKey.generate_key("P-256"))
    other = base64.urlsafe_b64encode(json.dumps(GOOD | {"scope": "notes:admin"}).encode()).decode().rstrip("=")
    yield "another payload", f"{head}.{other}.{signature}"
    yield "no signature", f"{head}.{body}."
    yield "two parts", f"{head}.{body}"
    yield "no base64", "a.b.c"
    yield "not ASCII", "سلام"
    yield "endless", "x" * 9000
    yield "expired", signed(GOOD | {"exp": NOW - 1})
    yield "without an end", signed({"sub": "someone"})
    yield "an end that is no time", signed(GOOD | {"exp": True})
    yield "an end that is text", signed(GOOD | {"exp": "later"})
    yield "not valid yet", signed(GOOD | {"nbf": NOW + 3600})
    yield "of nobody", signed(GOOD | {"sub": ""})
    yield "without a subject", signed({"exp": NOW + DAY_S})
    yield "of a number", signed(GOOD | {"sub": 5})
    yield "an agent that is no id", signed(GOOD | {"agent_id": "me"})


async def test_a_token_that_is_not_ours_is_refused(anybody: httpx.AsyncClient) -> None:
    for what, forged in forgeries():
        answer = await anybody.get("/v1/notes/me", headers={b"Authorization": b"Bearer " + forged.encode()})

        assert (answer.status_code, answer.json()["code"]) == (401, "bad_token"), what


async def test_a_token_says_who_calls_and_how_far_it_reaches(anybody: httpx.AsyncClient) -> None:
    agent = new_id()
    answer = await ask(anybody, token(["notes:write", "pii:read"], subject="sara", agent_id=agent))

    assert answer.json() == {
        "subject": "sara",
        "agent_id": str(agent),
        "sees_personal_data": True,
        "may_write": True,
        "may_administer": False,
    }


@pytest.mark.parametrize("claim", [{"scopes": ["notes:read"]}, {"scp": ["notes:read", 7]}, {"scope": "x notes:read"}])
async def test_scopes_are_words_or_a_list(anybody: httpx.AsyncClient, claim: dict[str, Any]) -> None:
    answer = await ask(anybody, signed({"sub": "someone", "exp": NOW + DAY_S} | claim))

    assert answer.status_code == 200


def test_admin_implies_write_and_write_implies_read() -> None:
    assert granted(frozenset({"leads:admin"})) == {"leads:admin", "leads:write", "leads:read"}
    assert granted(frozenset({"leads:write", "pii:read"})) == {"leads:write", "leads:read", "pii:read"}
    assert granted(frozenset({"leads:read"})) == {"leads:read"}


@pytest.mark.parametrize("scopes", [[], ["notes:read"], ["leads:admin"], ["pii:read"]])
async def test_a_token_that_does_not_reach_is_refused_before_its_body_is_read(
    anybody: httpx.AsyncClient, scopes: list[str]
) -> None:
    headers = {"Authorization": f"Bearer {token(scopes)}", "Content-Type": "application/json"}
    answer = await anybody.post("/v1/notes", content=b"{no json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "notes:write" in answer.json()["detail"]


async def test_a_token_that_was_verified_still_expires(anybody: httpx.AsyncClient) -> None:
    given = sign_token(keys().private_pem, "someone", ["notes:read"], lifetime=timedelta(minutes=5))
    before = await ask(anybody, given)
    with moved(timedelta(minutes=6)):
        after = await ask(anybody, given)

    assert (before.status_code, after.status_code) == (200, 401)
    assert "expired" in after.json()["detail"]


async def test_issuer_and_audience_are_checked_where_they_are_set(
    make_runtime: Callable[..., Awaitable[Runtime]],
) -> None:
    runtime = await make_runtime(SERVICE, jwt_issuer="https://id.example", jwt_audience="peyvand")
    private = keys().private_pem
    given = {
        200: sign_token(private, "s", ["notes:read"], issuer="https://id.example", audience="peyvand"),
        401: sign_token(private, "s", ["notes:read"], issuer="https://id.example", audience="another"),
    }
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(runtime)), base_url="http://test"
    ) as anybody:
        for status, one in given.items():
            assert (await ask(anybody, one)).status_code == status
        assert (await ask(anybody, token(["notes:read"]))).status_code == 401
        listed = signed(GOOD | {"iss": "https://id.example", "aud": ["another", "peyvand"]})
        assert (await ask(anybody, listed)).status_code == 200
