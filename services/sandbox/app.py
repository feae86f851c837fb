"""The sandbox as an ASGI app, with the mail server and the delivery clock that run beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from services.sandbox import clock, control, lines, page, smtp, tables
from services.sandbox.sandbox import Sandbox
from services.sandbox.settings import Settings, refuse_production
from services.sandbox.smsir import answers
from services.sandbox.smsir.api import router as smsir
from shared.db import Database
from shared.errors import PeyvandError


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
    app.add_exception_handler(answers.Refusal, answers.refused)
    app.add_exception_handler(PeyvandError, _refused)
    app.add_exception_handler(RequestValidationError, _does_not_fit)
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


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PeyvandError)  # noqa: S101  (how it is registered)
    errors = [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in error.errors]
    return _problem(error.status, error.code, error.title, error.detail, errors)


async def _does_not_fit(request: Request, error: Exception) -> JSONResponse:
    """Say which field does not fit; the panel has an answer of its own for what it cannot read."""
    if request.url.path.startswith(smsir.prefix):
        return await answers.refused(request, answers.Refusal(111))
    assert isinstance(error, RequestValidationError)  # noqa: S101  (how it is registered)
    errors = [
        {"pointer": "/" + "/".join(map(str, each["loc"][1:])), "code": each["type"], "message": each["msg"]}
        for each in error.errors()
    ]
    return _problem(422, "invalid", "The request does not fit", errors[0]["message"], errors)


def _problem(
    status: int, code: str, title: str, detail: str, errors: list[Mapping[str, str]] | list[Any]
) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, "errors": errors}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
