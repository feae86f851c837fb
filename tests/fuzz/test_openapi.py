"""Every operation of every API, tried with whatever its description allows and with whatever it forbids."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.embedded import SERVICES
from services.sandbox.app import open_sandbox
from shared.service import Service
from shared.web.app import create_app
from tests.conftest import MakeRuntime
from tests.fuzz.running import Bounds, Target, fuzz, serving
from tests.fuzz.seeds import SANDBOX, SEEDS
from tests.support import api
from tests.support.postgres import TestServer

SHORT = Bounds(examples=5, walks=5, within_s=240)
LONG = Bounds(examples=int(os.environ.get("EXAMPLES", "1000")), walks=200, within_s=2_400, progress=True)
"""About twelve milliseconds an example: two to six minutes a service on a machine that does nothing else."""

OUT_OF_REACH = {
    "GET /webhooks/{account_id}/{secret}/{kind}",  # what panels say is theirs to describe
    "POST /webhooks/{account_id}/{secret}/{kind}",
    "GET /u/{token}",  # the link of a mail that was sent
    "POST /u/{token}",
}
SUCCEEDED_SHARE = 0.85
"""How many of the other operations must have done what they were asked: tries that only meet 404 try nothing."""

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


@asynccontextmanager
async def service_on_a_port(service: Service, make_runtime: MakeRuntime) -> AsyncIterator[Target]:
    runtime = await make_runtime(service)
    app = create_app(runtime)
    async with api.client(runtime, app=app) as client:
        known = await SEEDS[service.name](client, runtime)
    async with serving(app) as url:
        yield Target(app.openapi(), url, {"Authorization": f"Bearer {api.token()}"}, known)


@asynccontextmanager
async def sandbox_on_a_port(server: TestServer) -> AsyncIterator[Target]:
    async with (
        server.database("template_empty", _leave_empty) as url,
        open_sandbox(url, smtp_port=0) as app,
        serving(app) as origin,
    ):
        yield Target(app.openapi(), origin, {}, SANDBOX)


async def _leave_empty(_url: str) -> None:
    """Make nothing: the sandbox makes its tables itself."""


async def assert_nothing_is_found(target: Target, bounds: Bounds) -> None:
    findings = await asyncio.to_thread(fuzz, target, bounds)

    assert not findings.told(), findings.told()
    within_reach = target.operations() - OUT_OF_REACH
    assert len(findings.succeeded & within_reach) >= SUCCEEDED_SHARE * len(within_reach)


@services
@pytest.mark.timeout(300)
async def test_a_service_answers_as_its_description_says(service: Service, make_runtime: MakeRuntime) -> None:
    async with service_on_a_port(service, make_runtime) as target:
        await assert_nothing_is_found(target, SHORT)


@pytest.mark.timeout(300)
async def test_the_sandbox_answers_as_its_description_says(server: TestServer) -> None:
    async with sandbox_on_a_port(server) as target:
        await assert_nothing_is_found(target, SHORT)


@pytest.mark.fuzz_long
@services
@pytest.mark.timeout(2_700)
async def test_a_service_answers_as_its_description_says_however_long_it_is_tried(
    service: Service, make_runtime: MakeRuntime
) -> None:
    async with service_on_a_port(service, make_runtime) as target:
        await assert_nothing_is_found(target, LONG)


@pytest.mark.fuzz_long
@pytest.mark.timeout(2_700)
async def test_the_sandbox_answers_as_its_description_says_however_long_it_is_tried(server: TestServer) -> None:
    async with sandbox_on_a_port(server) as target:
        await assert_nothing_is_found(target, LONG)
