"""The sandbox as an ASGI app, with the mail server and the delivery clock that run beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles

from services.sandbox import clock, control, lines, page, smtp, tables
from services.sandbox.sandbox import Sandbox
from services.sandbox.settings import Settings, refuse_production
from services.sandbox.smsir import answers
from services.sandbox.smsir.api import router as smsir
from shared.db import Database
from shared.web import handlers, openapi
from shared.web.problems import problem_response


@asynccontextmanager
async def open_sandbox(
    database_url: str,
    *,
    smtp_host: str = "127.0.0.1",
    smtp_port: int = 2525,
    zone: str = "Asia/Tehran",
    **settings: Any,
) -> AsyncIterator[FastAPI]:
    """Run the sandbox for the length of the block; yields the app that answers everything under `/sandbox`.

    `settings` are fields of `Settings`; what is not given is read from `SANDBOX_…`. Port 0 takes a free one, which
    `app.state.smtp_port` then tells.
    """
    given: dict[str, Any] = {
        "database_url": database_url,
        "smtp_host": smtp_host,
        "smtp_port": smtp_port,
        "time_zone": zone,
    }
    async with running(Settings(**given | settings)) as app:
        yield app


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Open database, mail server and clock; close them in the other order."""
    refuse_production()
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url, pool_size=5, name="peyvand sandbox")
        stack.push_async_callback(database.close)
        sandbox = Sandbox(database, settings)
        await _prepare(sandbox)
        app = create_app(sandbox)
        app.state.smtp_port = await stack.enter_async_context(smtp.serving(sandbox))
        await stack.enter_async_context(clock.running(sandbox))
        stack.callback(sandbox.live.close)
        yield app


def create_app(sandbox: Sandbox) -> FastAPI:
    """Make the app; its paths all begin with `/sandbox`."""
    app = FastAPI(title="Peyvand sandbox", docs_url=None, redoc_url=None, openapi_url="/sandbox/openapi.json")
    app.state.sandbox = sandbox
    app.include_router(smsir)
    app.include_router(control.router)
    app.include_router(page.router)
    app.mount("/sandbox/static", StaticFiles(packages=[("services.sandbox", "static")]), name="static")
    handlers.install(app)
    app.add_exception_handler(answers.Refusal, answers.refused)
    app.add_exception_handler(RequestValidationError, _does_not_fit)
    app.openapi = partial(_describe, app)  # type: ignore[method-assign]
    return app


async def hook_line(app: FastAPI, number: int, urls: Mapping[lines.HookKind, str]) -> None:
    """Have a line tell `urls` of deliveries and of what it receives."""
    sandbox: Sandbox = app.state.sandbox
    async with sandbox.transaction() as connection:
        await lines.put(connection, lines.Line(number, {kind: lines.Hook(url) for kind, url in urls.items()}))


async def _prepare(sandbox: Sandbox) -> None:
    """Make the tables and the account; what an earlier run left stays."""
    async with sandbox.transaction() as connection:
        await tables.make(connection)
        await connection.execute(
            "INSERT INTO panel (credit, delivery_delay_s) VALUES ($1::float8::numeric, $2) ON CONFLICT DO NOTHING",
            sandbox.settings.credit, sandbox.settings.delivery_delay_s,
        )  # fmt: skip
        for number in set(sandbox.settings.lines) - set(await lines.numbers(connection)):
            await lines.put(connection, lines.Line(number, {}))


def _describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of what tests use the phones with, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        openapi.add_problems(document)
        for path in document["paths"].values():
            for operation in path.values():
                refused = ("400", "422") if "requestBody" in operation else ("422",)
                operation["responses"] |= {status: problem_response(int(status)) for status in refused}
        app.openapi_schema = document
    return app.openapi_schema


async def _does_not_fit(request: Request, error: Exception) -> Response:
    """Say which field does not fit; the panel has an answer of its own for what it cannot read."""
    if request.url.path.startswith(smsir.prefix):
        return await answers.refused(request, answers.Refusal(111))
    return await handlers.does_not_fit(request, error)
