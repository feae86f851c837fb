"""The keys that tokens are verified with: given, made, or fetched from an identity provider."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from shared.service import Runtime
from shared.settings import SettingsError
from shared.web import keys as web_keys
from shared.web.app import create_app
from shared.web.keys import public_key
from shared.web.tokens import generate_keys, make_keys
from tests.shared.web.callers import GOOD, ask
from tests.shared.web.notes import SERVICE
from tests.support.api import token


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


def test_no_two_pairs_of_keys_are_the_same() -> None:
    assert make_keys().private_pem != make_keys().private_pem


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
