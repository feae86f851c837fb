"""Keys that tokens are verified with: one public key, or an identity provider's key set, fetched and kept."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from shared.errors import Unavailable
from shared.settings import ServiceSettings, SettingsError

KEEP_S = 600
"""How long a fetched key set is used before it is asked for again."""

REFETCH_AFTER_S = 30
"""How soon a key set may be fetched again for a key id that it does not hold, so that nobody can make us hammer it."""

RETRY_S = 5
"""How long a provider that did not answer is left in peace."""

FETCH_TIMEOUT_S = 5
MAX_KEY_SET_BYTES = 512 * 1024

_KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

log = structlog.get_logger(__name__)


class UnknownKey(Exception):
    """No key has the id that a token names."""


class KeySource(Protocol):
    """Finds the key that a token says it was signed with."""

    async def find(self, kid: str | None) -> Key:
        """Return the key; raises `UnknownKey`, or `Unavailable` where keys cannot be had for the moment."""
        ...


class OneKey:
    """A public key from the settings. Its tokens need not name it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def find(self, kid: str | None) -> Key:  # noqa: ARG002
        return self._key


class RemoteKeys:
    """The key set at an address; fetched when it is old, and when a token names a key that is not in it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys = KeySet([])
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> Key:
        await self._refresh(KEEP_S)
        try:
            return self._keys.get_by_kid(kid)
        except JoseError:
            await self._refresh(REFETCH_AFTER_S)
        try:
            return self._keys.get_by_kid(kid)
        except JoseError as error:
            raise UnknownKey from error

    async def _refresh(self, older_than_s: float) -> None:
        """Fetch the keys if what there is is older; a provider that is down leaves us with what there is."""
        async with self._lock:
            if _seconds_since(self._fetched_at) > older_than_s and _seconds_since(self._tried_at) > RETRY_S:
                self._tried_at = time.monotonic()
                await self._fetch()
        if not self._keys:
            raise Unavailable(
                "The identity provider's keys cannot be fetched; try again.",
                fa="کلیدهای سامانهٔ هویت دریافت نشد؛ دوباره تلاش کنید.",
            )

    async def _fetch(self) -> None:
        try:
            self._keys = await asyncio.to_thread(_download, self._url)
        except (OSError, HTTPException, ValueError) as error:
            log.warning("key_set_unreachable", url=self._url, error=type(error).__name__)
        else:
            self._fetched_at = time.monotonic()


def _seconds_since(instant: float) -> float:
    return time.monotonic() - instant


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys are where the operator said, and nowhere that an answer points to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def _download(url: str) -> KeySet:
    with _opener.open(url, timeout=FETCH_TIMEOUT_S) as answer:
        document = json.loads(answer.read(MAX_KEY_SET_BYTES))
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("This is no key set.")  # noqa: TRY004  (what came is at fault, not a type of ours)
    return KeySet([key for key in map(_usable, listed) if key is not None])


def _usable(described: Any) -> Key | None:
    """Return a key of a set, or None for one that no token of ours can be signed with; it spoils no other."""
    if not isinstance(described, dict) or described.get("use", "sig") != "sig":
        return None
    kind = _KINDS.get(str(described.get("kty")))
    try:
        return kind.import_key(described) if kind is not None else None
    except (JoseError, ValueError, KeyError, TypeError) as error:
        log.warning("key_not_usable", error=type(error).__name__)
        return None


def key_source(settings: ServiceSettings) -> KeySource:
    """Return where the settings say that keys are."""
    if settings.jwt_public_key:
        return OneKey(public_key(settings.jwt_public_key))
    if not settings.jwks_url or not settings.jwks_url.startswith(("https://", "http://")):
        raise SettingsError("PEYVAND_JWKS_URL is wrong: it is an address that begins with https://.")
    return RemoteKeys(settings.jwks_url)


def public_key(given: str) -> Key:
    """Read a public key: PEM, or a path to it."""
    try:
        pem = given if given.lstrip().startswith("-----BEGIN") else Path(given).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise SettingsError(f"PEYVAND_JWT_PUBLIC_KEY is wrong: {given!r} is neither PEM nor a file of it.") from error
    for kind in (ECKey, OKPKey, RSAKey):
        try:
            return kind.import_key(pem.replace("\\n", "\n"))
        except (JoseError, ValueError, TypeError):
            continue
    raise SettingsError("PEYVAND_JWT_PUBLIC_KEY is wrong: it holds no RSA, EC or Ed25519 public key in PEM.")
