"""The surveys service on a database of its own, and what its tests ask with."""

from __future__ import annotations

import httpx
import pytest

from services.surveys.app import SERVICE
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.surveys.story import new_survey


@pytest.fixture
async def runtime(make_runtime: MakeRuntime) -> Runtime:
    return await make_runtime(SERVICE)


@pytest.fixture
async def unwearied(client: httpx.AsyncClient) -> None:
    """Let people be asked as often as a test likes."""
    await client.patch("/v1/surveys/fatigue", json={"days": 0})


@pytest.fixture
async def ten(client: httpx.AsyncClient) -> str:
    """Lend the code of a survey on the scale 1 to 10."""
    return await new_survey(client, code="csat_ten", scale="1-10")
