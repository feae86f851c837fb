"""A service's HTTP app, made from its runtime; nothing exists at import time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from shared.service import Runtime
from shared.settings import ServiceSettings
from shared.web import handlers, openapi
from shared.web.auth import principal_of
from shared.web.deadlines import Deadlines
from shared.web.docs import docs_router
from shared.web.health import health_router
from shared.web.idempotency import HEADER, REPLAYED
from shared.web.keys import key_source
from shared.web.limits import Limits
from shared.web.metrics import MachineryMetrics, RequestMetrics, ServiceMetrics
from shared.web.middleware import Requests, SizeLimit
from shared.web.verification import Verifier

VERSION = "1"


def create_app(runtime: Runtime) -> FastAPI:
    """Make the app of a service; refuses to with a route that declares no scope."""
    return _build(runtime, runtime.service.routers)


def create_operational_app(runtime: Runtime) -> FastAPI:
    """Make the app of a process that answers no requests of its service: health and figures only."""
    return _build(runtime, ())


def _build(runtime: Runtime, routers: Sequence[APIRouter]) -> FastAPI:
    service, settings = runtime.service, runtime.settings
    app = FastAPI(
        title=service.title,
        description=service.description,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.verifier = Verifier(key_source(settings), settings, principal_of)
    app.state.limits = Limits(settings)
    app.state.keys_in_flight = set()
    app.state.metrics = RequestMetrics()
    app.state.machinery = MachineryMetrics(app.state.metrics.registry)
    app.state.measures = ServiceMetrics(app.state.metrics.registry, service.measures)
    for router in (*routers, health_router(), docs_router()):
        app.include_router(router)
    openapi.check(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    handlers.install(app)
    _surround(app, settings)
    return app


def _surround(app: FastAPI, settings: ServiceSettings) -> None:
    """Add the middleware, the innermost first. Rate limits are kept where it is known who calls (`auth.admit`)."""
    app.add_middleware(SizeLimit, most=settings.max_request_bytes)
    app.add_middleware(Deadlines, settings=settings)
    app.add_middleware(Requests, metrics=app.state.metrics)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **_cors(settings))


def _cors(settings: ServiceSettings) -> dict[str, Any]:
    return {
        "allow_origins": settings.cors_origins,
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["Authorization", "Content-Type", HEADER, "If-Match", "X-Request-ID", "X-Correlation-ID"],
        "expose_headers": ["ETag", "Location", "RateLimit", "Retry-After", "X-Request-ID", REPLAYED],
        "max_age": 600,
    }
