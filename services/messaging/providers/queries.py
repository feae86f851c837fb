"""Reading accounts and their lines."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.routing import Route


async def active_accounts(tx: AsyncSession) -> Sequence[ProviderAccount]:
    """Return the accounts in use with their lines, in the order of preference; paused ones too."""
    statement = (
        select(ProviderAccount)
        .where(ProviderAccount.active)
        .options(selectinload(ProviderAccount.lines))
        .order_by(ProviderAccount.priority, ProviderAccount.id)
    )
    return (await tx.scalars(statement)).all()


async def account_by_id(tx: AsyncSession, account_id: UUID) -> ProviderAccount | None:
    """Return an account with its lines."""
    return await tx.get(ProviderAccount, account_id, options=[selectinload(ProviderAccount.lines)])


def routes_of(accounts: Sequence[ProviderAccount]) -> list[Route]:
    """Return the lines of accounts, in the same order."""
    return [
        Route(
            account_id=account.id,
            kind=account.kind,
            line=line.number,
            purposes=frozenset(line.purposes),
            hours=line.hours,
            paused=account.paused_at is not None,
        )
        for account in accounts
        for line in account.lines
    ]
