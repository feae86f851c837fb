"""What the API of the metrics service answers, in the order of its description."""

from __future__ import annotations

from services.metrics.dashboard.api import router as dashboard_router
from services.metrics.figures.api import router as figures_router
from services.metrics.figures.live import router as live_router

ROUTERS = (live_router, figures_router, dashboard_router)
