"""The metrics service on a database of its own."""

from __future__ import annotations

import pytest

from services.metrics.app import SERVICE
from shared.service import Runtime
from tests.conftest import MakeRuntime


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    return await make_runtime(SERVICE)
