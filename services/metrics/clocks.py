"""Clocks of the metrics service."""

from __future__ import annotations

from services.metrics.folder import fold
from shared.service import Clock

clocks = (Clock("fold", 0.4, fold, of_state=True),)
