"""The metrics service as the machinery sees it."""

from __future__ import annotations

from pathlib import Path

from services.metrics.clocks import clocks
from services.metrics.consumers import consumer
from services.metrics.dashboard.api import router as dashboard_router
from services.metrics.figures.api import router as figures_router
from services.metrics.figures.live import router as live_router
from services.metrics.settings import Settings
from services.metrics.stream import open_changes
from services.metrics.tables import metadata
from shared.service import Service

SERVICE = Service(
    name="metrics",
    title="Peyvand metrics",
    description="Facts from the events of all services, figures made of them, and the dashboard that draws them.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=(live_router, figures_router, dashboard_router),
    consumer=consumer,
    clocks=clocks,
    resources=open_changes,
)
