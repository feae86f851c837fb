"""The metrics service as the machinery sees it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from services.metrics.clocks import clocks
from services.metrics.consumers import consumer
from services.metrics.settings import Settings
from services.metrics.stream import open_changes
from services.metrics.tables import metadata
from shared.service import Service


def routers() -> tuple[APIRouter, ...]:
    """Load what answers requests."""
    from services.metrics.routers import ROUTERS  # noqa: PLC0415  (a worker answers none, and need not hold them)

    return ROUTERS


SERVICE = Service(
    name="metrics",
    title="Peyvand: metrics",
    description="Facts from the events of all services, figures made of them, and the dashboard that draws them.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=routers,
    consumer=consumer,
    clocks=clocks,
    resources=open_changes,
)
