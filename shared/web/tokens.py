"""Making keys and signing tokens, for deployments that have no identity provider."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from shared.clock import utcnow
from shared.ids import new_id

ALGORITHM = "ES256"
LIFETIME = timedelta(days=30)


class NoSigningKey(Exception):
    """Tokens cannot be signed with what was given; the message says with what they can."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key, and the public one that services verify with, as PEM."""

    private_pem: str
    public_pem: str


def make_keys() -> KeyPair:
    """Make a new pair of keys."""
    key = ECKey.generate_key("P-256")
    return KeyPair(key.as_pem(private=True).decode(), key.as_pem(private=False).decode())


def generate_keys(folder: Path) -> KeyPair:
    """Make a pair of keys in `folder`: `private.pem`, which its owner alone may read, and `public.pem`.

    Raises `FileExistsError` where there are keys already: tokens that were signed with them would stop working.
    """
    pair = make_keys()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "private.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(pair.private_pem)
    (folder / "public.pem").write_text(pair.public_pem, encoding="ascii")
    return pair


def sign_token(
    private_pem: str,
    subject: str,
    scopes: Iterable[str],
    agent_id: UUID | None = None,
    lifetime: timedelta = LIFETIME,
    *,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Return a token for `subject` that ends after `lifetime`; raises `NoSigningKey`."""
    now = int(utcnow().timestamp())
    claims = {
        "sub": subject,
        "scope": " ".join(sorted(set(scopes))),
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "jti": str(new_id()),
        "agent_id": str(agent_id) if agent_id is not None else None,
        "iss": issuer,
        "aud": audience,
    }
    said = {name: value for name, value in claims.items() if value is not None}
    try:
        return jwt.encode({"alg": ALGORITHM}, said, ECKey.import_key(private_pem))
    except (JoseError, ValueError, TypeError) as error:
        raise NoSigningKey("this is no private key of the curve P-256 in PEM.") from error
