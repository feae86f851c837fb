"""Reading what accounts have left, and taking those into use again that had run out."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import structlog
from sqlalchemy import case, null, update

from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.protocol import Refused
from services.messaging.providers.queries import active_accounts
from services.messaging.providers.smsir_codes import NO_CREDIT
from shared.clock import utcnow
from shared.service import Runtime

log = structlog.get_logger(__name__)

OUT_OF_CREDIT = f"smsir_{NO_CREDIT}"


async def read_credit(runtime: Runtime) -> int:
    """Ask each panel for the account's credit and keep it."""
    async with runtime.db.transaction() as tx:
        accounts = [account for account in await active_accounts(tx) if account.kind == "smsir"]
    for account in accounts:
        try:
            credit = await runtime.resources.sms(account).credit()
        except Refused as refused:
            log.warning("credit_not_read", account_id=str(account.id), reason=refused.reason)
            continue
        await _keep(runtime, account.id, credit)
    return 0


async def _keep(runtime: Runtime, account_id: UUID, credit: Decimal) -> None:
    """Keep the credit; an account that was paused for want of it goes on when there is some."""
    filled_up = (ProviderAccount.paused_reason == OUT_OF_CREDIT) & (credit > 0)
    async with runtime.db.transaction() as tx:
        await tx.execute(
            update(ProviderAccount)
            .where(ProviderAccount.id == account_id)
            .values(
                credit=credit,
                credit_at=utcnow(),
                paused_at=case((filled_up, null()), else_=ProviderAccount.paused_at),
                paused_reason=case((filled_up, null()), else_=ProviderAccount.paused_reason),
            )
        )
