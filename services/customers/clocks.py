"""What falls due in the customers service."""

from __future__ import annotations

from services.customers.classification.usecases import classify_due
from shared.clock import utcnow
from shared.service import Clock, Runtime


async def _classify(runtime: Runtime) -> int:
    async with runtime.db.transaction() as tx:
        return await classify_due(tx, runtime.settings.rules, now=utcnow())


clocks = (Clock("classify customers", 0.2, _classify),)
