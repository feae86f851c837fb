"""Making the adapter of a provider account."""

from __future__ import annotations

import httpx
from cryptography.fernet import InvalidToken

from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.protocol import Provider, Refused, Scope
from services.messaging.providers.secrets import unseal
from services.messaging.providers.smsir import SmsIr
from services.messaging.providers.smtp import Smtp
from services.messaging.settings import Settings


def adapter_of(account: ProviderAccount, settings: Settings) -> Provider:
    """Return the adapter of an account; raises `Refused` where its settings or its secret cannot be used."""
    try:
        return _made(account, settings)
    except (InvalidToken, ValueError, httpx.InvalidURL) as error:
        raise Refused(Scope.ACCOUNT, "cannot_be_opened") from error


def _made(account: ProviderAccount, settings: Settings) -> Provider:
    secret = unseal(settings, account.secret)
    if account.kind == "smsir":
        return SmsIr(account.base_url, secret, timeout_s=settings.request_timeout_s, reach=settings.reach)
    host, _, port = account.base_url.partition(":")
    return Smtp(
        host,
        int(port or 587),
        username=account.username,
        password=secret,
        security=account.config.get("security", "starttls"),
        timeout_s=settings.request_timeout_s,
        reach=settings.reach,
    )
