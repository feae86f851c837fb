"""Callers of the notes service, and what they show for themselves."""

from __future__ import annotations

from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from shared.clock import utcnow
from tests.support.api import keys

NOW = int(utcnow().timestamp())
GOOD: dict[str, Any] = {"sub": "someone", "scope": "notes:read", "exp": NOW + 3600}


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    return jwt.encode(header or {"alg": "ES256"}, claims, ECKey.import_key(keys().private_pem))


async def ask(http: httpx.AsyncClient, given: str, path: str = "/v1/notes/me") -> httpx.Response:
    return await http.get(path, headers={"Authorization": f"Bearer {given}"})
