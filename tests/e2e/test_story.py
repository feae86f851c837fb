"""The main job, played by `peyvand demo` through the public API alone: over both transports, in one process and apart.

The fourth shape, apart over Kafka, is that of `make up-local`: tests/deploy/test_up_local.py. Between it and the two
on the local bus, the one together over Kafka has nothing of its own: it is told in `make faults`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployments import Deployment, apart, embedded
from tests.support.postgres import TestServer
from tests.support.story import tell, untold_of_people

pytestmark = pytest.mark.timeout(240)


TOGETHER_OVER_KAFKA = pytest.param("together, Kafka", marks=pytest.mark.faults_long)


@pytest.fixture(params=["together, local bus", "apart, local bus", TOGETHER_OVER_KAFKA])
async def deployment(request: pytest.FixtureRequest, server: TestServer, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Lend a deployment of each shape."""
    shape: str = request.param
    kafka = request.getfixturevalue("own_kafka") if "Kafka" in shape else None
    async with embedded(tmp_path, kafka) if "together" in shape else apart(server, tmp_path) as opened:
        yield opened


async def test_the_story_is_told_twice_and_no_fact_holds_what_a_person_is_known_by(deployment: Deployment) -> None:
    for _ in range(2):
        await tell(deployment)

    await untold_of_people(deployment)
