"""Verifying tokens: signature, algorithm and claims; for some minutes after that from memory."""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning

from shared.clock import utcnow
from shared.errors import BadToken
from shared.persian.digits import numeral
from shared.settings import ServiceSettings
from shared.web.keys import KeySource, UnknownKey, key_source

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
"""What a token may be signed with. Never `none`, and never a shared secret."""

LEEWAY_S = 30
"""How far an issuer's clock may be ahead of ours."""

LATEST = datetime.max.replace(tzinfo=UTC).timestamp()

REMEMBERED = 10_000
REMEMBERED_S = 600
"""How long a token is taken from memory: a key that its provider withdraws opens nothing for longer than that."""

MAX_TOKEN_CHARS = 8_192
LONGEST_SUBJECT = 255
"""What OpenID Connect allows; the subject is part of the key that an answer is stored by."""

P = TypeVar("P")


class Verifier(Generic[P]):
    """Turns tokens into principals; what was verified is remembered by the token's hash for a while."""

    def __init__(self, keys: KeySource, settings: ServiceSettings, make: Callable[[Mapping[str, Any]], P]) -> None:
        self._keys = keys
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._make = make
        self._known: OrderedDict[bytes, tuple[P, float]] = OrderedDict()

    def remembered(self, token: str) -> P | None:
        """Return whom `token` was given to, if that was verified lately and the token has not expired since."""
        known = self._known.get(_digest(token))
        return known[0] if known is not None and known[1] > utcnow().timestamp() else None

    async def verify(self, token: str) -> P:
        """Return whom `token` was given to; raises `BadToken`."""
        claims = await self._claims(token)
        made = self._make(claims)
        self._remember(_digest(token), made, min(float(claims["exp"]), utcnow().timestamp() + REMEMBERED_S))
        return made

    def _remember(self, digest: bytes, made: P, until: float) -> None:
        self._known[digest] = (made, until)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_TOKEN_CHARS:
            raise BadToken("The token is too long.", fa="توکن بیش از اندازه بلند است.")
        header = _header(token)
        if header.get("alg") not in ALGORITHMS:
            raise BadToken(
                f"The token's algorithm is not accepted; it must be one of {', '.join(ALGORITHMS)}.",
                fa=f"الگوریتم توکن پذیرفته نیست؛ یکی از {'، '.join(ALGORITHMS)} باید باشد.",
            )
        try:
            key = await self._keys.find(header.get("kid"))
            claims = _decode(token, key, header["alg"])
        except (JoseError, UnknownKey, ValueError, TypeError, RecursionError) as error:
            raise BadToken("The token's signature does not verify.", fa="امضای توکن درست نیست.") from error
        _check_times(claims)
        self._check_origin(claims)
        return claims

    def _check_origin(self, claims: Mapping[str, Any]) -> None:
        if not _names_somebody(claims.get("sub")):
            raise BadToken(
                f"The token names no subject (`sub`) of up to {LONGEST_SUBJECT} characters.",
                fa=f"توکن نام دارنده (sub) با حداکثر {numeral(LONGEST_SUBJECT)} نویسه ندارد.",
            )
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise BadToken("The token is of another issuer (`iss`).", fa="صادرکنندهٔ توکن (iss) پذیرفته نیست.")
        if self._audience is not None:
            audience = claims.get("aud")
            if self._audience not in (audience if isinstance(audience, list) else [audience]):
                raise BadToken("The token is meant for another audience (`aud`).", fa="توکن برای جای دیگری است (aud).")


def verifier_for(settings: ServiceSettings, make: Callable[[Mapping[str, Any]], P]) -> Verifier[P]:
    """Return what verifies with the keys that the settings name."""
    return Verifier(key_source(settings), settings, make)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _header(token: str) -> Mapping[str, Any]:
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadToken("This is no JWT.", fa="این توکن JWT نیست.") from error
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise BadToken("The token's key id (`kid`) is no text.", fa="شناسهٔ کلید توکن (kid) درست نیست.")
    return header


def _decode(token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # RFC 9864 renames EdDSA; providers still say EdDSA
        return jwt.decode(token, key, algorithms=[algorithm]).claims


def _check_times(claims: Mapping[str, Any]) -> None:
    now = utcnow().timestamp()
    expires, begins = _instant(claims.get("exp")), _instant(claims.get("nbf", 0))
    if expires is None or begins is None:
        raise BadToken("The token says no time at which it ends (`exp`).", fa="توکن زمان پایان (exp) ندارد.")
    if expires <= now:
        raise BadToken("The token has expired; get a new one.", fa="زمان توکن به پایان رسیده است؛ توکن تازه بگیرید.")
    if begins > now + LEEWAY_S:
        raise BadToken("The token is not valid yet (`nbf`).", fa="زمان آغاز توکن (nbf) هنوز نرسیده است.")


def _instant(claim: object) -> float | None:
    """Return a claim's time; JSON as Python reads it has `Infinity` too, and `NaN`, which is after nothing."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    return float(claim) if abs(claim) < LATEST else None


def _names_somebody(subject: object) -> bool:
    return isinstance(subject, str) and 0 < len(subject) <= LONGEST_SUBJECT and subject.isprintable()
