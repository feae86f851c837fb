"""The metrics service on a fresh database, and a client that may do anything."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from services.metrics.app import SERVICE
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.support import api


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    return await make_runtime(SERVICE)


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client(runtime) as http:
        yield http
