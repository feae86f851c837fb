"""The bus contract, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.bus import EventBus
from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.ids import new_id
from tests.support.postgres import TestServer
from tests.support.runtimes import bus_database


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
async def bus(request: pytest.FixtureRequest, server: TestServer) -> AsyncIterator[EventBus]:
    """Lend a transport without any topic."""
    if request.param == "kafka":
        kafka = KafkaBus(request.getfixturevalue("kafka_bootstrap"), prefix=f"{new_id()}.")
        yield kafka
        await kafka.close()
        return
    async with bus_database(server) as url:
        local = LocalBus(url)
        yield local
        await local.close()
