from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from services.customers.app import SERVICE
from shared.service import Runtime
from tests.support import api

MakeRuntime = Callable[..., Awaitable[Runtime]]


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    return await make_runtime(SERVICE)


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client(runtime) as http:
        yield http
