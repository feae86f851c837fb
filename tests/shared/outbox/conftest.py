"""The machinery's tests run over both transports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.ids import new_id
from shared.outbox.consumer import Consumer
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import TOPICS, echo

BUS = ("kafka_bootstrap_servers", "kafka_prefix", "bus_database_url")
MakeEcho = Callable[..., Awaitable[Runtime]]


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def make_echo(request: pytest.FixtureRequest, make_runtime: MakeRuntime) -> MakeEcho:
    """Lend a function that opens the echo service, with its topics made; `beside` another one, on the same bus."""

    async def make(
        consumer: Consumer | None = None, *, partitions: int = 3, beside: Runtime | None = None, **settings: Any
    ) -> Runtime:
        if beside is not None:
            settings |= {name: getattr(beside.settings, name) for name in BUS}
            settings["bus_url"] = settings.pop("bus_database_url")
            return await make_runtime(echo(consumer), partitions=partitions, **settings)
        if request.param == "kafka":
            settings["kafka_bootstrap_servers"] = request.getfixturevalue("kafka_bootstrap")
            settings["kafka_prefix"] = f"{new_id()}."
        runtime = await make_runtime(echo(consumer), partitions=partitions, **settings)
        await runtime.bus.create_topics(TOPICS, partitions=partitions)
        return runtime

    return make
