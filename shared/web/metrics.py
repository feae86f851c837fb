"""Figures of an app's requests and of its service's events, in a registry of its own."""

from __future__ import annotations

import asyncio

import structlog
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import Scope

from shared.outbox.status import consumer_lag, parked_counts, relay_lag
from shared.service import Runtime

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNMATCHED = "(no such path)"
TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


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


class MachineryMetrics:
    """How events flow in a service, read when they are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge("peyvand_relay_waiting_events", "Events in the outbox.", registry=registry)
        self._oldest = Gauge("peyvand_relay_oldest_seconds", "Age of the oldest of them.", registry=registry)
        place = ("topic", "partition")
        self._behind = Gauge("peyvand_consumer_behind_events", "Events not read yet.", place, registry=registry)
        self._stopped = Gauge("peyvand_consumer_stopped", "1 where a partition stands still.", place, registry=registry)
        self._parked = Gauge("peyvand_parked_events", "Events set aside.", ("state",), registry=registry)

    async def read(self, runtime: Runtime) -> None:
        consumer = runtime.service.consumer
        relay = await relay_lag(runtime.db)
        partitions = await consumer_lag(runtime.db, runtime.bus, consumer)
        parked = await parked_counts(runtime.db, consumer.service)
        self._waiting.set(relay.waiting)
        self._oldest.set(relay.oldest_s)
        for state in ("parked", "unknown", "dead"):
            self._parked.labels(state).set(parked.get(state, 0))
        for (topic, partition), lag in partitions.items():
            self._behind.labels(topic, str(partition)).set(lag.behind)
            self._stopped.labels(topic, str(partition)).set(lag.stopped is not None)


async def exposition(app: FastAPI) -> Response:
    """Return the app's figures in Prometheus' text format; those of events are as old as the last that could be had."""
    try:
        await asyncio.wait_for(app.state.machinery.read(app.state.runtime), TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  (the requests' figures are wanted most when all else fails)
        log.warning("machinery_not_measured", error=str(error))
    metrics: RequestMetrics = app.state.metrics
    return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
