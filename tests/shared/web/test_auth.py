from __future__ import annotations

import base64
import json
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from shared.clock import moved, utcnow
from shared.ids import new_id
from shared.service import Runtime, Service
from shared.settings import SettingsError
from shared.web import keys as web_keys
from shared.web import public, requires, router_for
from shared.web.app import create_app
from shared.web.auth import declared_scope, granted
from shared.web.keys import public_key
from shared.web.openapi import UndeclaredRoute
from shared.web.tokens import generate_keys, make_keys, sign_token
from tests.shared.web.notes import SERVICE, router
from tests.support.api import keys, token

NOW = int(utcnow().timestamp())
DAY_S = 86_400
GOOD: dict[str, Any] = {"sub": "someone", "scope": "notes:read", "exp": NOW + 3600}


@pytest.fixture
async def anybody(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    return jwt.encode(header or {"alg": "ES256"}, claims, ECKey.import_key(keys().private_pem))


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join(parts) + "."


async def ask(http: httpx.AsyncClient, given: str, path: str = "/v1/notes/me") -> httpx.Response:
    return await http.get(path, headers={"Authorization": f"Bearer {given}"})


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


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048)),
        ("ES256", ECKey.generate_key("P-256")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
    ],
)
async def test_each_kind_of_key_verifies(
    make_runtime: Callable[..., Awaitable[Runtime]], tmp_path: Path, algorithm: str, key: Any
) -> None:
    (tmp_path / "public.pem").write_bytes(key.as_pem(private=False))
    runtime = await make_runtime(SERVICE, jwt_public_key=str(tmp_path / "public.pem"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(runtime)), base_url="http://test"
    ) as anybody:
        assert (
            await ask(anybody, jwt.encode({"alg": algorithm}, GOOD, key, algorithms=[algorithm]))
        ).status_code == 200
        assert (await ask(anybody, token(["notes:read"]))).status_code == 401


@pytest.mark.parametrize("given", ["/no/such/file", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_key_that_is_none_is_said_at_start(given: str) -> None:
    with pytest.raises(SettingsError, match="PEYVAND_JWT_PUBLIC_KEY is wrong"):
        public_key(given)


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    pair = generate_keys(tmp_path / "keys")

    assert stat.S_IMODE((tmp_path / "keys" / "private.pem").stat().st_mode) == 0o600
    assert (tmp_path / "keys" / "public.pem").read_text() == pair.public_pem
    with pytest.raises(FileExistsError):
        generate_keys(tmp_path / "keys")


class Provider:
    """An identity provider's key set, over HTTP."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.asked = 0
        self.down = False
        self.elsewhere: str | None = None
        self.instead: bytes | None = None
        self.odd: list[Any] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(503 if provider.down else 302 if provider.elsewhere else 200)
                if provider.elsewhere:
                    self.send_header("Location", provider.elsewhere)
                self.end_headers()
                self.wfile.write(provider.said())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def said(self) -> bytes:
        """Return the key set, or what is said instead of one."""
        listed = [*self.odd, *KeySet(self.keys).as_dict(private=False)["keys"]]
        return json.dumps({"keys": listed}).encode() if self.instead is None else self.instead

    def new_key(self, kid: str) -> Any:
        key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})
        self.keys.append(key)
        return key


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
async def guarded(
    make_runtime: Callable[..., Awaitable[Runtime]], provider: Provider
) -> AsyncIterator[httpx.AsyncClient]:
    runtime = await make_runtime(SERVICE, jwt_public_key=None, jwks_url=provider.url)
    transport = httpx.ASGITransport(app=create_app(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def test_a_key_set_is_fetched_once_and_again_for_a_new_key(
    guarded: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = provider.new_key("old")
    for minute in range(3):
        given = jwt.encode({"alg": "RS256", "kid": "old"}, GOOD | {"jti": str(minute)}, old)
        assert (await ask(guarded, given)).status_code == 200
    assert provider.asked == 1

    new = provider.new_key("new")
    rotated = jwt.encode({"alg": "RS256", "kid": "new"}, GOOD, new)
    assert (await ask(guarded, rotated)).status_code == 401
    assert provider.asked == 1, "an unknown key id does not make us ask more often than every half minute"

    monkeypatch.setattr(web_keys, "REFETCH_AFTER_S", -1)
    monkeypatch.setattr(web_keys, "RETRY_S", -1)
    assert (await ask(guarded, rotated)).status_code == 200
    assert provider.asked == 2


async def test_keys_are_not_taken_from_where_a_redirect_points(guarded: httpx.AsyncClient, provider: Provider) -> None:
    forger = Provider()
    provider.elsewhere = forger.url
    given = jwt.encode({"alg": "RS256", "kid": "forged"}, GOOD, forger.new_key("forged"))
    answer = await ask(guarded, given)
    forger.server.shutdown()
    forger.server.server_close()

    assert (answer.status_code, forger.asked) == (503, 0)


@pytest.mark.parametrize("instead", [b"[]", b'"keys"', b'{"keys": null}', b"<html>", b"\xff"])
async def test_a_provider_that_says_no_key_set_leaves_us_with_what_there_was(
    guarded: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch, instead: bytes
) -> None:
    monkeypatch.setattr(web_keys, "KEEP_S", -1)
    monkeypatch.setattr(web_keys, "RETRY_S", -1)
    key = provider.new_key("one")
    given = [jwt.encode({"alg": "RS256", "kid": "one"}, GOOD | {"jti": each}, key) for each in "123"]
    provider.instead = instead
    without = await ask(guarded, given[0])
    provider.instead = None
    good = await ask(guarded, given[1])
    provider.instead = instead
    still = await ask(guarded, given[2])

    assert (without.status_code, good.status_code, still.status_code) == (503, 200, 200)


async def test_a_provider_that_does_not_speak_http_is_one_that_is_down(
    guarded: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_http(*_: Any, **__: Any) -> None:
        raise BadStatusLine("SSH-2.0")

    monkeypatch.setattr(web_keys._opener, "open", no_http)
    answer = await ask(guarded, jwt.encode({"alg": "RS256", "kid": "one"}, GOOD, provider.new_key("one")))

    assert answer.status_code == 503


@pytest.mark.parametrize(
    "odd",
    [
        5,
        {"kty": "RSA"},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        {"kty": "EC", "crv": "P-999", "x": "a", "y": "b"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": ["RSA"]},
    ],
)
async def test_a_key_that_nobody_can_use_takes_no_other_with_it(
    guarded: httpx.AsyncClient, provider: Provider, odd: Any
) -> None:
    provider.odd.append(odd)
    given = jwt.encode({"alg": "RS256", "kid": "one"}, GOOD, provider.new_key("one"))

    assert (await ask(guarded, given)).status_code == 200


async def test_a_provider_that_is_down_does_not_lock_anybody_out(
    guarded: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = provider.new_key("one")
    provider.down = True
    first = await ask(guarded, jwt.encode({"alg": "RS256", "kid": "one"}, GOOD, key))
    provider.down = False
    monkeypatch.setattr(web_keys, "KEEP_S", -1)
    monkeypatch.setattr(web_keys, "RETRY_S", -1)
    second = await ask(guarded, jwt.encode({"alg": "RS256", "kid": "one"}, GOOD | {"jti": "2"}, key))
    provider.down = True
    third = await ask(guarded, jwt.encode({"alg": "RS256", "kid": "one"}, GOOD | {"jti": "3"}, key))

    assert (first.status_code, second.status_code, third.status_code) == (503, 200, 200)


def test_a_route_without_a_declared_scope_stops_the_app_from_being_made(runtime: Runtime) -> None:
    careless = router_for("notes", prefix="/v1/careless")

    @careless.get("")
    async def forgotten() -> None: ...

    bare = APIRouter()

    @bare.get("/v1/bare")
    async def bare_route() -> None: ...

    for faulty, path in ((careless, "/v1/careless"), (bare, "/v1/bare")):
        runtime.service = with_routers(faulty)
        with pytest.raises(UndeclaredRoute, match=path):
            create_app(runtime)


def test_two_operations_of_one_name_stop_the_app_from_being_made(runtime: Runtime) -> None:
    double = router_for("notes", prefix="/v1/double")

    @double.get("", dependencies=[public()])
    async def list_notes() -> None: ...

    runtime.service = with_routers(router, double)
    with pytest.raises(UndeclaredRoute, match="list_notes"):
        create_app(runtime)


def with_routers(*routers: APIRouter) -> Service:
    return Service(
        name="notes",
        title="Notes",
        description="",
        settings=SERVICE.settings,
        metadata=SERVICE.metadata,
        migrations=SERVICE.migrations,
        routers=routers,
        consumer=SERVICE.consumer,
    )


def test_what_a_route_declares_can_be_read_from_it() -> None:
    one = router_for("notes", prefix="/v1/one")

    @one.get("/open", dependencies=[public()])
    async def open_route() -> None: ...

    @one.get("/closed", dependencies=[requires("notes:read")])
    async def closed_route() -> None: ...

    assert [declared_scope(route) for route in one.routes] == ["public", "notes:read"]
    assert make_keys().private_pem != make_keys().private_pem
