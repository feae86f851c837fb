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
from joserfc.jws import JWSRegistry

from shared.clock import moved
from shared.ids import new_id
from shared.service import Runtime
from shared.web.app import create_app
from shared.web.auth import granted
from shared.web.keys import OneKey, public_key
from shared.web.tokens import make_keys, sign_token
from shared.web.verification import REMEMBERED_S, Verifier
from tests.shared.web.callers import GOOD, NOW, ask, signed
from tests.shared.web.notes import SERVICE
from tests.support.api import keys, token

DAY_S = 86_400
TWICE = '{"alg": "none", "alg": "ES256"}'


@pytest.fixture
async def anybody(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join(parts) + "."


def encoded(part: str) -> str:
    return base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")


def signed_raw(header: dict[str, Any], payload: str) -> str:
    """Sign what no library would, with the key that is believed."""
    said = f"{encoded(json.dumps(header))}.{encoded(payload)}"
    key = ECKey.import_key(keys().private_pem)
    signature = JWSRegistry.algorithms["ES256"].sign(said.encode(), key)
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


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
    yield "a header without an end", f"{encoded('[' * 4_000)}.{body}.{signature}"
    yield "a header that is no object", f"{encoded('5')}.{body}.{signature}"
    yield "another algorithm of ours", f"{encoded(json.dumps({'alg': 'RS256'}))}.{body}.{signature}"
    yield "two algorithms", f"{encoded(TWICE)}.{body}.{signature}"
    forger = ECKey.generate_key("P-256")
    yield "a key of its own", jwt.encode({"alg": "ES256", "jwk": forger.as_dict(private=False)}, GOOD, forger)
    yield "a key from elsewhere", jwt.encode({"alg": "ES256", "jku": "https://evil.example/"}, GOOD, forger)
    yield "what must be understood", signed_raw({"alg": "ES256", "crit": ["exp2"], "exp2": 1}, json.dumps(GOOD))
    for what in (None, True, 5, [["alg"]]):
        yield f"what must be understood: {what}", f"{encoded(json.dumps({'alg': 'ES256', 'crit': what}))}.{body}.x"
    yield "claims without an end", signed_raw({"alg": "ES256"}, "[" * 5_000)
    yield "an end that never comes", signed_raw({"alg": "ES256"}, json.dumps(GOOD | {"exp": float("inf")}))
    yield "an end that is no number", signed_raw({"alg": "ES256"}, json.dumps(GOOD | {"exp": float("nan")}))
    yield "an end beyond all time", signed(GOOD | {"exp": 10**400})
    yield "expired", signed(GOOD | {"exp": NOW - 1})
    yield "without an end", signed({"sub": "someone"})
    yield "an end that is no time", signed(GOOD | {"exp": True})
    yield "an end that is text", signed(GOOD | {"exp": "later"})
    yield "not valid yet", signed(GOOD | {"nbf": NOW + 3600})
    yield "of nobody", signed(GOOD | {"sub": ""})
    yield "without a subject", signed({"exp": NOW + DAY_S})
    yield "of a number", signed(GOOD | {"sub": 5})
    yield "of a very long name", signed(GOOD | {"sub": "x" * 256})
    yield "of a name with a NUL", signed(GOOD | {"sub": "a\x00b"})
    yield "of half a surrogate pair", signed_raw({"alg": "ES256"}, json.dumps(GOOD | {"sub": "\ud800"}))
    yield "scopes that are a number", signed(GOOD | {"scope": 5})
    yield "scopes that are an object", signed(GOOD | {"scope": {"notes:read": True}})
    yield "an agent that is no id", signed(GOOD | {"agent_id": "me"})
    yield "an agent that is a number", signed(GOOD | {"agent_id": 5})
    yield "an agent that is nobody", signed(GOOD | {"agent_id": ""})
    yield "several agents", signed(GOOD | {"agent_id": [str(new_id())]})


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


async def test_a_token_is_not_taken_from_memory_for_as_long_as_it_lasts(runtime: Runtime) -> None:
    app = create_app(runtime)
    given = sign_token(keys().private_pem, "someone", ["notes:read"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as anybody:
        assert (await ask(anybody, given)).status_code == 200
        app.state.verifier = verifier_with(app.state.verifier, make_keys().public_pem)
        soon = await ask(anybody, given)
        with moved(timedelta(seconds=REMEMBERED_S + 1)):
            later = await ask(anybody, given)

    assert (soon.status_code, later.status_code, later.json()["code"]) == (200, 401, "bad_token")


def verifier_with(verifier: Verifier[Any], public_pem: str) -> Verifier[Any]:
    """Return `verifier` after its key was withdrawn for another one."""
    verifier._keys = OneKey(public_key(public_pem))
    return verifier


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
