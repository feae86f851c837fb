"""Figures of an app's requests and of its service's events, in a registry of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import structlog
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy.pool import QueuePool
from starlette.types import Scope

from shared.outbox.status import consumer_lag, parked_counts, relay_lag
from shared.service import Measure, Runtime

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UNMATCHED = "(no such path)"
TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


class RequestMetrics:
    """Counts and times requests, by route template: an address with ids in it would be a new row each."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "route")
        self._requests = Counter(
            "peyvand_http_requests", "Requests answered.", (*labels, "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "peyvand_http_request_seconds", "Time to answer.", labels, registry=self.registry, buckets=BUCKETS
        )

        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        requests, times = self._of(known_method(scope["method"]), template(scope), status)
        requests.inc()
        times.observe(seconds)

    def _of(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Return the rows that a request counts in; to find them by their labels takes longer than to count."""
        found = self._found.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(method, route)
            self._found[method, route, status] = found
        return found


def template(scope: Scope) -> str:
    """Return the path template of the route that took the request."""
    return getattr(scope.get("route"), "path", UNMATCHED)


def known_method(method: str) -> str:
    """Return `method`, or `OTHER` for one that nobody has heard of, of which there are endlessly many."""
    return method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "OTHER"


class MachineryMetrics:
    """How events flow in a service, read when they are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._taken = Gauge("peyvand_db_connections_taken", "Connections of the pool in use.", registry=registry)
        self._most = Gauge("peyvand_db_connections_most", "Connections that the pool may have.", registry=registry)
        self._waiting = Gauge("peyvand_relay_waiting_events", "Events in the outbox.", registry=registry)
        self._oldest = Gauge("peyvand_relay_oldest_seconds", "Age of the oldest of them.", registry=registry)
        self._relay_stopped = Gauge("peyvand_relay_stopped", "1 where it stands still.", registry=registry)
        self._lost = Gauge(
            "peyvand_lost_events", "Events on the log that a restored database does not know.", registry=registry
        )
        place = ("topic", "partition")
        self._behind = Gauge("peyvand_consumer_behind_events", "Events not read yet.", place, registry=registry)
        self._stopped = Gauge("peyvand_consumer_stopped", "1 where a partition stands still.", place, registry=registry)
        self._parked = Gauge("peyvand_parked_events", "Events set aside (up to 10,000).", ("state",), registry=registry)

    async def read(self, runtime: Runtime) -> None:
        pool = cast("QueuePool", runtime.db.engine.pool)
        self._taken.set(pool.checkedout())
        self._most.set(pool.size())
        consumer = runtime.service.consumer
        relay = await relay_lag(runtime.db, runtime.service.name)
        partitions = await consumer_lag(runtime.db, runtime.bus, consumer)
        parked = await parked_counts(runtime.db, consumer.service)
        self._waiting.set(relay.waiting)
        self._oldest.set(relay.oldest_s)
        self._relay_stopped.set(relay.stopped is not None)
        self._lost.set(relay.lost)
        for state in ("parked", "unknown", "dead"):
            self._parked.labels(state).set(parked.get(state, 0))
        for (topic, partition), lag in partitions.items():
            self._behind.labels(topic, str(partition)).set(lag.behind)
            self._stopped.labels(topic, str(partition)).set(lag.stopped is not None)


class ServiceMetrics:
    """What a service measures of its own work, read when it is asked for."""

    def __init__(self, registry: CollectorRegistry, measures: Sequence[Measure]) -> None:
        self._gauges = [(Gauge(each.name, each.description, registry=registry), each.query) for each in measures]

    async def read(self, runtime: Runtime) -> None:
        async with runtime.db.connection() as connection:
            for gauge, query in self._gauges:
                gauge.set(await connection.fetchval(query))


async def exposition(app: FastAPI) -> Response:
    """Return the app's figures in Prometheus' text format; those of events are as old as the last that could be had."""
    for part in (app.state.machinery, app.state.measures):
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await part.read(app.state.runtime)
        except Exception as error:  # noqa: BLE001  (the requests' figures are wanted most when all else fails)
            log.warning("not_measured", part=type(part).__name__, error=str(error))
    metrics: RequestMetrics = app.state.metrics
    return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
