"""Workers' tests run over both transports, as the machinery's do; those that are not about events over one."""

from __future__ import annotations

from typing import Any

import pytest

from shared.outbox.consumer import Consumer
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.conftest import MakeEcho, make_echo
from tests.shared.outbox.echo import TOPICS, echo

__all__ = ["make_echo"]


@pytest.fixture
def make_local(make_runtime: MakeRuntime) -> MakeEcho:
    """Lend a function that opens the echo service on a local bus."""

    async def make(consumer: Consumer | None = None, **settings: Any) -> Runtime:
        runtime = await make_runtime(echo(consumer), partitions=3, **settings)
        await runtime.bus.create_topics(TOPICS, partitions=3)
        return runtime

    return make
