"""Fetching what people wrote from panels that push nothing.

The panel gives each message once, then forgets it: what is fetched is stored at once, and the panel's inbox of today,
which can be read again and again, is swept for what a process may have died with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import structlog

from services.messaging.inbound import sql
from services.messaging.inbound.receiving import match_strangers, receive
from services.messaging.providers.protocol import InboundSms, Refused, SmsProvider
from services.messaging.providers.queries import account_by_id, active_accounts
from shared.clock import utcnow
from shared.db import driver
from shared.service import Runtime

log = structlog.get_logger(__name__)

AFTER_A_FAILURE = timedelta(seconds=15)
LATELY = timedelta(minutes=10)

Fetch = Callable[[SmsProvider], Awaitable[list[InboundSms]]]


async def poll_inbound(runtime: Runtime) -> int:
    """Fetch from each account whose turn it is, one worker at a time an account; return how much was new."""
    now = utcnow()
    async with runtime.db.transaction() as tx:
        every = timedelta(seconds=runtime.settings.inbound_poll_s)
        due = await driver(tx).fetch(sql.LEASE_POLL, now, now - every)
    return sum([await _fetch(runtime, row["id"], lambda provider: provider.inbound()) for row in due])


async def sweep_inbound(runtime: Runtime) -> int:
    """Read today's inbox of each account again; what was stored before changes nothing."""
    async with runtime.db.transaction() as tx:
        accounts = [account.id for account in await active_accounts(tx) if account.kind == "smsir"]
    for account_id in accounts:
        await _fetch(runtime, account_id, lambda provider: provider.inbox())
    return 0


async def match_late_cards(runtime: Runtime) -> int:
    """Tell whose texts those are that were stored in the moment in which their sender's card was."""
    now = utcnow()
    async with runtime.db.transaction() as tx:
        rows = await driver(tx).fetch(sql.LATELY_NOBODYS, now - LATELY, now)
        if rows:
            await match_strangers(tx, [row["sender"] for row in rows])
    return 0


async def _fetch(runtime: Runtime, account_id: UUID, ask: Fetch) -> int:
    async with runtime.db.transaction() as tx:
        account = await account_by_id(tx, account_id)
    if account is None:
        return 0
    try:
        messages = await ask(runtime.resources.sms(account))
    except Refused as refused:
        log.warning("inbound_poll_postponed", account_id=str(account_id), reason=refused.reason)
        async with runtime.db.transaction() as tx:
            await driver(tx).execute(sql.POLL_LATER, account_id, utcnow() + AFTER_A_FAILURE)
        return 0
    async with runtime.db.transaction() as tx:
        return await receive(tx, account_id, messages, runtime.settings, utcnow())
