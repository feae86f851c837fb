"""What falls due in the surveys service."""

from __future__ import annotations

from services.surveys.invitations.expiry import expire_invitations
from shared.clock import utcnow
from shared.service import Clock, Runtime


async def _expire(runtime: Runtime) -> int:
    async with runtime.db.transaction() as tx:
        return await expire_invitations(tx, at=utcnow())


CLOCKS = (Clock("expire invitations", every_s=30, turn=_expire),)
