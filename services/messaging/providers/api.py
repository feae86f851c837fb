"""Provider accounts over HTTP."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from services.messaging.providers import usecases
from services.messaging.providers.errors import (
    AddressDoesNotFit,
    AddressNotPublic,
    LineDoesNotFit,
    ProviderExists,
    ProviderNotFound,
    SecretNeeded,
)
from services.messaging.providers.models import ProviderAccount
from services.messaging.providers.schemas import (
    ProviderCreate,
    ProviderCreated,
    ProviderList,
    ProviderOut,
    ProviderPatch,
    WebhookPaths,
)
from services.messaging.providers.secrets import box_of
from shared.errors import PreconditionFailed
from shared.web import RuntimeDep, Tx, check_if_match, etag, problems, requires, router_for
from shared.web.idempotency import keep_sealed

router = router_for("messaging", prefix="/v1/providers", tags=["providers"])


@router.get(
    "", summary="List provider accounts", response_model=ProviderList, dependencies=[requires("messaging:read")]
)
async def list_providers(tx: Tx) -> ProviderList:
    """Return all accounts, in the order in which they are used."""
    ordered = select(ProviderAccount).order_by(ProviderAccount.priority, ProviderAccount.id)
    accounts = await tx.scalars(ordered.options(selectinload(ProviderAccount.lines)))
    return ProviderList(items=[ProviderOut.model_validate(account) for account in accounts])


@router.post(
    "",
    summary="Add a provider account",
    status_code=201,
    response_model=ProviderCreated,
    responses=problems(ProviderExists, AddressDoesNotFit, AddressNotPublic, LineDoesNotFit),
    dependencies=[requires("messaging:admin")],
)
async def create_provider(
    body: ProviderCreate, tx: Tx, runtime: RuntimeDep, request: Request, response: Response
) -> ProviderCreated:
    """Store an account. Its secret is kept encrypted; the paths of its webhooks are shown this once."""
    keep_sealed(request, box_of(runtime.settings))
    account, secret = await usecases.create_account(tx, body, runtime.settings)
    response.headers["ETag"] = etag(account.version)
    shown = ProviderOut.model_validate(account)
    return ProviderCreated(**shown.model_dump(), webhook_paths=usecases.webhook_paths(account.id, secret))


@router.get(
    "/{account_id}",
    summary="Read a provider account",
    response_model=ProviderOut,
    responses=problems(ProviderNotFound),
    dependencies=[requires("messaging:read")],
)
async def read_provider(account_id: UUID, tx: Tx, response: Response) -> ProviderAccount:
    account = await usecases.read_account(tx, account_id)
    response.headers["ETag"] = etag(account.version)
    return account


@router.patch(
    "/{account_id}",
    summary="Change a provider account",
    response_model=ProviderOut,
    responses=problems(
        ProviderNotFound,
        ProviderExists,
        AddressDoesNotFit,
        AddressNotPublic,
        SecretNeeded,
        LineDoesNotFit,
        PreconditionFailed,
    ),
    dependencies=[requires("messaging:admin")],
)
async def patch_provider(
    account_id: UUID, body: ProviderPatch, tx: Tx, runtime: RuntimeDep, request: Request, response: Response
) -> ProviderAccount:
    """Change what is given; `paused: false` takes an account into use again that a refusal has paused.

    Another `base_url` needs the `secret` with it: what is kept is not sent elsewhere.
    """
    account = await usecases.read_account(tx, account_id, lock=True)
    check_if_match(request, account.version)
    await usecases.change_account(tx, account, body, runtime.settings)
    response.headers["ETag"] = etag(account.version)
    return account


@router.post(
    "/{account_id}/webhook-secret",
    summary="Give webhooks a new secret",
    response_model=WebhookPaths,
    responses=problems(ProviderNotFound),
    dependencies=[requires("messaging:admin")],
)
async def rotate_webhook_secret(account_id: UUID, tx: Tx, runtime: RuntimeDep, request: Request) -> WebhookPaths:
    """Make a new secret; the old paths stop working at once."""
    keep_sealed(request, box_of(runtime.settings))
    account = await usecases.read_account(tx, account_id, lock=True)
    secret = await usecases.rotate_webhook_secret(tx, account)
    return WebhookPaths(webhook_paths=usecases.webhook_paths(account_id, secret))
