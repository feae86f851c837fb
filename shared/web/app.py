"""A service's HTTP app, made from its runtime; nothing exists at import time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache, partial
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from shared.service import Runtime, Service
from shared.settings import ServiceSettings
from shared.web import handlers, openapi
from shared.web.auth import principal_of
from shared.web.deadlines import Deadlines
from shared.web.docs import docs_router
from shared.web.health import health_router
from shared.web.idempotency import HEADER, REPLAYED
from shared.web.limits import Limits
from shared.web.metrics import MachineryMetrics, RequestMetrics, ServiceMetrics
from shared.web.middleware import Requests, SizeLimit

VERSION = "1"


def create_app(runtime: Runtime) -> FastAPI:
    """Make the app of a service; refuses to with a route that declares no scope."""
    from shared.web.verification import verifier_for  # noqa: PLC0415  (a worker, asked by no token, spares 9 MB)

    app = _build(runtime, _routes_of(runtime.service))
    app.state.verifier = verifier_for(runtime.settings, principal_of)
    return app


def create_operational_app(runtime: Runtime) -> FastAPI:
    """Make the app of a process that answers no requests of its service: health and figures only."""
    return _build(runtime, _operational_routes())


def _build(runtime: Runtime, routes: list[BaseRoute]) -> FastAPI:
    service, settings = runtime.service, runtime.settings
    app = FastAPI(
        title=service.title,
        description=service.description,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        routes=routes,
    )
    app.state.runtime = runtime
    app.state.limits = Limits(settings)
    app.state.keys_in_flight = set()
    app.state.metrics = RequestMetrics()
    app.state.machinery = MachineryMetrics(app.state.metrics.registry)
    app.state.measures = ServiceMetrics(app.state.metrics.registry, service.measures)
    openapi.check(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    handlers.install(app)
    _surround(app, settings)
    return app


@lru_cache(maxsize=64)
def _routes_of(service: Service) -> list[BaseRoute]:
    """Return a service's routes, which all its apps in a process share: making them is most of what an app costs."""
    return [*_included(service.routers()), *_operational_routes()]


@cache
def _operational_routes() -> list[BaseRoute]:
    return _included((health_router(), docs_router()))


def _included(routers: Iterable[APIRouter]) -> list[BaseRoute]:
    together = APIRouter()
    for router in routers:
        together.include_router(router)
    return together.routes


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
