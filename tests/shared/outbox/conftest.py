"""The machinery's tests run over both transports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.outbox.consumer import Consumer
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import TOPICS, echo

MakeEcho = Callable[..., Awaitable[Runtime]]


@pytest.fixture(params=["local"])
def make_echo(request: pytest.FixtureRequest, make_runtime: MakeRuntime) -> MakeEcho:
    """Lend a function that opens the echo service, with its topics made."""

    async def make(consumer: Consumer | None = None, *, partitions: int = 3, **settings: Any) -> Runtime:
        runtime = await make_runtime(echo(consumer), partitions=partitions, **settings)
        await runtime.bus.create_topics(TOPICS, partitions=partitions)
        return runtime

    return make
