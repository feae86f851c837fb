"""What a process of the service keeps open: a client for each provider account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.protocol import Provider, SmsProvider
from services.messaging.settings import Settings
from shared.service import Runtime


@dataclass(slots=True)
class Gateways:
    """Adapters by account, opened when first needed and again when the account has changed."""

    settings: Settings
    _open: dict[UUID, tuple[int, Provider]] = field(default_factory=dict)
    _retired: list[Provider] = field(default_factory=list)

    def of(self, account: ProviderAccount) -> Provider:
        """Return the adapter of `account`; raises `Refused` where its settings or its secret cannot be used."""
        from services.messaging.providers.adapters import adapter_of  # noqa: PLC0415  (an API opens none: 6 MB)

        version, provider = self._open.get(account.id, (0, None))
        if provider is None or version != account.version:
            if provider is not None:
                self._retired.append(provider)
            provider = adapter_of(account, self.settings)
            self._open[account.id] = (account.version, provider)
        return provider

    def sms(self, account: ProviderAccount) -> SmsProvider:
        """Return the adapter of an SMS account."""
        if account.kind != "smsir":
            raise TypeError(f"Account {account.id} of kind {account.kind} sends no SMS.")
        return cast("SmsProvider", self.of(account))

    async def close(self) -> None:
        """Close all connections, also those that a call may have been using when its account was changed."""
        for provider in (*self._retired, *(provider for _, provider in self._open.values())):
            await provider.close()
        self._open.clear()
        self._retired.clear()


@asynccontextmanager
async def open_gateways(runtime: Runtime) -> AsyncIterator[Gateways]:
    """Lend the adapters for the life of a process."""
    gateways = Gateways(runtime.settings)
    try:
        yield gateways
    finally:
        await gateways.close()
