"""Keeping provider accounts: making, changing, pausing, and seeding those of the sandbox."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from services.messaging.messages.hours import DEFAULT_HOURS
from services.messaging.providers.addresses import Reach, literal
from services.messaging.providers.errors import (
    AddressDoesNotFit,
    AddressNotPublic,
    LineDoesNotFit,
    ProviderExists,
    ProviderNotFound,
    SecretNeeded,
)
from services.messaging.providers.models import ProviderAccount, ProviderLine
from services.messaging.providers.numbers import is_mail_address
from services.messaging.providers.schemas import LineIn, ProviderCreate, ProviderPatch
from services.messaging.providers.secrets import derived_webhook_secret, new_webhook_secret, seal, webhook_hash
from services.messaging.settings import Settings
from shared.clock import utcnow
from shared.errors import Invalid
from shared.ids import new_id
from shared.persian.phone import line as line_number

log = structlog.get_logger(__name__)

SANDBOX_LINE = "30007732000000"
SANDBOX_SENDER = "peyvand@sandbox.invalid"
ALL_PURPOSES = ("transactional", "service", "promotional")
WEBHOOK_KINDS = ("delivery", "inbound")
MAX_PORT = 65_535

_NAME = r"(?P<host>[A-Za-z0-9.\-]+)(?::(?P<port>\d{1,5}))?"
_ADDRESSES = {"smsir": re.compile(rf"https?://{_NAME}(?:/[!-~]*)?"), "smtp": re.compile(_NAME)}
_EXAMPLES = {"smsir": "https://api.sms.ir/v1", "smtp": "mail.example.com:587"}


@dataclass(frozen=True, slots=True)
class SandboxAccounts:
    """The sandbox's accounts; `webhook_paths` (by kind) are what its line's hooks have to call."""

    sms_id: UUID
    smtp_id: UUID | None
    webhook_paths: dict[str, str]


async def create_account(tx: AsyncSession, new: ProviderCreate, settings: Settings) -> tuple[ProviderAccount, str]:
    """Store an account; return it with the secret of its webhooks, which is not kept."""
    _refuse_no_address(new.kind, new.base_url, settings.reach)
    await _refuse_taken(tx, new.name)
    now, secret = utcnow(), new_webhook_secret()
    account = ProviderAccount(
        id=new_id(),
        name=new.name,
        kind=new.kind,
        base_url=new.base_url,
        username=new.username,
        secret=seal(settings, new.secret),
        webhook_hash=webhook_hash(secret),
        config=_config(new.kind, new.security, new.fields.model_dump()),
        priority=new.priority,
        rate_per_s=new.rate_per_s,
        tokens=new.rate_per_s,
        tokens_at=now,
        active=True,
        version=1,
        created_at=now,
        updated_at=now,
        lines=_lines(new.kind, new.lines),
    )
    tx.add(account)
    await tx.flush()
    return account, secret


async def change_account(
    tx: AsyncSession, account: ProviderAccount, patch: ProviderPatch, settings: Settings
) -> ProviderAccount:
    """Change an account that the caller has locked; senders open a new client for it."""
    if patch.base_url is not None:
        _refuse_no_address(account.kind, patch.base_url, settings.reach)
        if patch.base_url != account.base_url and patch.secret is None:
            raise SecretNeeded
    if patch.name is not None and patch.name != account.name:
        await _refuse_taken(tx, patch.name)
    account.name = patch.name or account.name
    account.base_url = patch.base_url or account.base_url
    account.username = account.username if patch.username is None else patch.username
    account.rate_per_s = patch.rate_per_s or account.rate_per_s
    account.priority = account.priority if patch.priority is None else patch.priority
    account.active = account.active if patch.active is None else patch.active
    if patch.secret is not None:
        account.secret = seal(settings, patch.secret)
    if patch.security is not None:
        account.config = {**account.config, "security": patch.security}
    if patch.fields is not None:
        account.config = {**account.config, "fields": patch.fields.model_dump()}
    if patch.lines is not None:
        account.lines.clear()
        await tx.flush()
        account.lines = _lines(account.kind, patch.lines)
    if patch.paused is not None:
        account.paused_at = utcnow() if patch.paused else None
        account.paused_reason = "by_hand" if patch.paused else None
    account.version += 1
    account.updated_at = utcnow()
    await tx.flush()
    return account


async def rotate_webhook_secret(tx: AsyncSession, account: ProviderAccount) -> str:
    """Give an account's webhooks a new secret; the old paths stop working at once."""
    secret = new_webhook_secret()
    account.webhook_hash = webhook_hash(secret)
    account.updated_at = utcnow()
    await tx.flush()
    return secret


async def read_account(tx: AsyncSession, account_id: UUID, *, lock: bool = False) -> ProviderAccount:
    """Return an account with its lines; locked if it is to be changed."""
    statement = select(ProviderAccount).where(ProviderAccount.id == account_id)
    statement = statement.options(selectinload(ProviderAccount.lines))
    account = await tx.scalar(statement.with_for_update() if lock else statement)
    if account is None:
        raise ProviderNotFound(account_id)
    return account


async def pause_account(tx: AsyncSession, account_id: UUID, reason: str, now: datetime) -> None:
    """Take an account out of use until somebody mends it: what it was to send goes over the next one."""
    paused = update(ProviderAccount).where(ProviderAccount.id == account_id, ProviderAccount.paused_at.is_(None))
    await tx.execute(paused.values(paused_at=now, paused_reason=reason))
    log.error("provider_account_paused", account_id=str(account_id), reason=reason)


def webhook_paths(account_id: UUID, secret: str) -> dict[str, str]:
    """Return the paths that a panel has to call, by kind."""
    return {kind: f"/webhooks/{account_id}/{secret}/{kind}" for kind in WEBHOOK_KINDS}


async def ensure_sandbox_accounts(
    tx: AsyncSession,
    settings: Settings,
    *,
    base_url: str,
    smtp_host: str | None = None,
    smtp_port: int | None = None,
    api_key: str = "peyvand-sandbox",
    line: str = SANDBOX_LINE,
) -> SandboxAccounts:
    """Make or correct the accounts of the sandbox; any number of calls leave the same.

    `base_url` is that of its sms.ir, such as `http://127.0.0.1:8000/sandbox/smsir/v1`. Its line carries every purpose,
    service messages and codes at any hour. The secret of its webhooks follows from the deployment's key.
    """
    numbers = [LineIn(number=line, purposes=list(ALL_PURPOSES))]
    sms = ProviderCreate(name="sandbox", kind="smsir", base_url=base_url, secret=api_key, lines=numbers)
    sms_id = await _ensure(tx, sms, settings)
    smtp_id = None
    if smtp_host is not None and smtp_port is not None:
        senders = [LineIn(number=SANDBOX_SENDER, purposes=list(ALL_PURPOSES))]
        address = f"{smtp_host}:{smtp_port}"
        mail = ProviderCreate(
            name="sandbox-mail", kind="smtp", base_url=address, secret="", security="none", lines=senders
        )
        smtp_id = await _ensure(tx, mail, settings)
    return SandboxAccounts(sms_id, smtp_id, webhook_paths(sms_id, derived_webhook_secret(settings, sms_id)))


async def _ensure(tx: AsyncSession, wanted: ProviderCreate, settings: Settings) -> UUID:
    """Make an account of a fixed name, or point the one there is to where it answers now."""
    statement = select(ProviderAccount).where(ProviderAccount.name == wanted.name)
    account = await tx.scalar(statement.options(selectinload(ProviderAccount.lines)).with_for_update())
    if account is None:
        account, _ = await create_account(tx, wanted, settings)
    elif account.base_url != wanted.base_url:
        account.base_url = wanted.base_url
        account.version += 1
    account.webhook_hash = webhook_hash(derived_webhook_secret(settings, account.id))
    await tx.flush()
    return account.id


async def _refuse_taken(tx: AsyncSession, name: str) -> None:
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"provider:{name}", 0))))
    if await tx.scalar(select(ProviderAccount.id).where(ProviderAccount.name == name)) is not None:
        raise ProviderExists(name)


def _refuse_no_address(kind: str, given: str, reach: Reach) -> None:
    """Refuse what no client can be opened with, or what leads inside: what names resolve to is seen at connecting.

    A panel's address is a URL, a mail server's `host:port`.
    """
    said = _ADDRESSES[kind].fullmatch(given)
    if said is None or int(said["port"] or 0) > MAX_PORT:
        raise AddressDoesNotFit(given, _EXAMPLES[kind])
    address = literal(said["host"])
    if address is not None and not reach.includes(address):
        raise AddressNotPublic(said["host"])


def _config(kind: str, security: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"security": security} if kind == "smtp" else {"fields": fields}


def _lines(kind: str, lines: Sequence[LineIn]) -> list[ProviderLine]:
    return [
        ProviderLine(
            number=_number(kind, each.number, place),
            purposes=sorted(set(each.purposes)),
            hours=_hours(each),
        )
        for place, each in enumerate(lines)
    ]


def _number(kind: str, given: str, place: int) -> str:
    pointer = f"/lines/{place}/number"
    if kind == "smtp":
        if not is_mail_address(parseaddr(given)[1]) or not given.isprintable():
            message = f"{given!r} is not an address to send from; news@example.com is."
            raise LineDoesNotFit(pointer, "not_an_address", message, f"«{given}» نشانی فرستنده نیست.")
        return given
    try:
        return line_number(given)
    except Invalid as error:
        raise LineDoesNotFit(pointer, error.code, error.detail, error.detail_fa or "") from error


def _hours(given: LineIn) -> dict[str, Any]:
    """Return the hours that are given; promotion keeps its usual ones unless others are given for it."""
    hours: dict[str, Any] = {purpose: list(span) for purpose, span in (given.hours or {}).items()}
    if given.hours is None or "promotional" in given.purposes:
        hours = {purpose: list(span) for purpose, span in DEFAULT_HOURS.items()} | hours
    return hours
