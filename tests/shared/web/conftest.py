"""A service of the tests' own, opened on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from shared.service import Runtime
from shared.web.app import create_app
from tests.shared.web.notes import SERVICE
from tests.support.api import client as open_client

SCOPES = ("notes:admin", "pii:read")


@pytest.fixture
async def runtime(make_runtime: Callable[..., Awaitable[Runtime]]) -> Runtime:
    return await make_runtime(SERVICE)


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return create_app(runtime)


@pytest.fixture
async def client(runtime: Runtime, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(runtime, SCOPES, app=app) as http:
        yield http
