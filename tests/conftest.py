"""Fixtures of the whole suite: a PostgreSQL server for the run, and runtimes of services on fresh databases."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.kafka import missing
from shared.service import Runtime, Service
from tests.support import api, kafka
from tests.support.postgres import TestServer
from tests.support.runtimes import open_test_runtime

pytest_plugins = ["tests.support.logwatch"]

SERVER = pytest.StashKey[TestServer]()
MakeRuntime = Callable[..., Awaitable[Runtime]]


def pytest_configure(config: pytest.Config) -> None:
    """Start the server in the process that others are started by, so that test workers share it."""
    kafka.expect_short_lives()
    keep_what_is_compiled()
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[SERVER] = TestServer()


def keep_what_is_compiled() -> None:
    """Write bytecode even where the environment says not to: a run starts a hundred processes of the same code."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_unconfigure(config: pytest.Config) -> None:
    kafka.leave()
    if SERVER in config.stash:
        kafka.stop(config.stash[SERVER].shared_folder())
        config.stash[SERVER].stop()


@pytest.fixture(scope="session")
def server() -> TestServer:
    """Lend the run's PostgreSQL server."""
    return TestServer()


@pytest.fixture(scope="session")
def kafka_bootstrap(server: TestServer) -> str:
    """Lend the run's Kafka broker. Without Java its tests are skipped; under CI they fail."""
    _skip_without_kafka()
    return kafka.bootstrap_servers(server.shared_folder())


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[str]:
    """Lend a broker to this test alone, for deployments that use topics by their real names."""
    _skip_without_kafka()
    with kafka.own_broker(tmp_path) as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def needs_kafka() -> None:
    """Skip a test that starts a broker by itself where there is no Java."""
    _skip_without_kafka()


def _skip_without_kafka() -> None:
    absent = missing()
    if absent and os.environ.get("CI") != "true":
        pytest.skip(absent)


@pytest.fixture
async def make_runtime(server: TestServer) -> AsyncIterator[MakeRuntime]:
    """Lend a function that opens a service on a fresh database: `await make_runtime(SERVICE, **settings)`."""
    async with AsyncExitStack() as stack:

        async def make(service: Service, **settings: Any) -> Runtime:
            return await stack.enter_async_context(open_test_runtime(server, service, **settings))

        yield make


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of the service that the folder's `runtime` is, with every scope."""
    async with api.client(runtime) as http:
        yield http
