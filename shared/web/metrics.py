"""Figures of an app's requests, in a registry of its own."""

from __future__ import annotations

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import Scope

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNMATCHED = "(no such path)"


class RequestMetrics:
    """Counts and times requests, by route template: an address with ids in it would be a new row each."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "peyvand_http_requests", "Requests answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "peyvand_http_request_seconds", "Time to answer.", labels, registry=self.registry, buckets=BUCKETS
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = known_method(scope["method"]), template(scope)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


def template(scope: Scope) -> str:
    """Return the path template of the route that took the request."""
    return getattr(scope.get("route"), "path", UNMATCHED)


def known_method(method: str) -> str:
    """Return `method`, or `OTHER` for one that nobody has heard of, of which there are endlessly many."""
    return method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "OTHER"


def exposition(app: FastAPI) -> Response:
    """Return the app's figures in Prometheus' text format."""
    metrics: RequestMetrics = app.state.metrics
    return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
