"""The leads service on a database of its own."""

from __future__ import annotations

import pytest

from services.leads.app import SERVICE
from shared.service import Runtime
from tests.conftest import MakeRuntime


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    """Lend the service, answering round the clock so that no test depends on the hour it runs at."""
    return await make_runtime(SERVICE, round_the_clock=True)
