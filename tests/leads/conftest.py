"""The leads service on a database of its own, and a client with every scope."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from services.leads.app import SERVICE
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.support import api


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    """Lend the service, answering round the clock so that no test depends on the hour it runs at."""
    return await make_runtime(SERVICE, round_the_clock=True)


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client(runtime) as http:
        yield http
