"""What falls due by itself in the leads service."""

from __future__ import annotations

from services.leads.leads.overdue import assign_waiting, publish_overdue
from services.leads.persons.tellings import forget_old
from shared.clock import utcnow
from shared.service import Clock, Runtime


async def overdue_responses(runtime: Runtime) -> int:
    """Publish questions that fell due unanswered."""
    async with runtime.db.transaction() as tx:
        return await publish_overdue(tx, at=utcnow(), reassign=runtime.settings.reassign_overdue)


async def waiting_leads(runtime: Runtime) -> int:
    """Assign leads that came while nobody was on duty."""
    async with runtime.db.transaction() as tx:
        return await assign_waiting(tx, at=utcnow())


async def old_tellings(runtime: Runtime) -> int:
    """Forget what was told of people so long ago that no erasure is on its way any more."""
    async with runtime.db.transaction() as tx:
        return await forget_old(tx, at=utcnow())


CLOCKS = (
    Clock("overdue responses", every_s=0.5, turn=overdue_responses),
    Clock("waiting leads", every_s=2.0, turn=waiting_leads),
    Clock("old tellings", every_s=3_600.0, turn=old_tellings),
)
