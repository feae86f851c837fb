"""Clients that speak to a service's app as its users do, with a token of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from uuid import UUID

import httpx
from fastapi import FastAPI

from shared.service import Runtime
from shared.web.app import create_app
from shared.web.tokens import KeyPair, make_keys, sign_token

ALL_SCOPES = (
    "leads:admin", "customers:admin", "surveys:admin", "messaging:admin", "metrics:admin", "pii:read",
)  # fmt: skip


@lru_cache(maxsize=1)
def keys() -> KeyPair:
    """Return the key pair that this process's tokens are signed with."""
    return make_keys()


def token(scopes: Iterable[str] = ALL_SCOPES, *, subject: str = "tester", agent_id: UUID | None = None) -> str:
    return sign_token(keys().private_pem, subject=subject, scopes=scopes, agent_id=agent_id)


@asynccontextmanager
async def client(
    runtime: Runtime,
    scopes: Iterable[str] = ALL_SCOPES,
    *,
    agent_id: UUID | None = None,
    subject: str = "tester",
    app: FastAPI | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of the service's app, signed in with `scopes`."""
    transport = httpx.ASGITransport(app=app or create_app(runtime), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token(scopes, subject=subject, agent_id=agent_id)}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as http:
        yield http
