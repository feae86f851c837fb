"""Automations over HTTP."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import select

from services.messaging.automations import usecases
from services.messaging.automations.errors import AutomationDoesNotFit, AutomationNotFound
from services.messaging.automations.models import Automation
from services.messaging.automations.schemas import AutomationList, AutomationOut, AutomationPatch
from shared.conditions import InvalidCondition
from shared.errors import PreconditionFailed
from shared.web import Tx, check_if_match, etag, problems, requires, router_for

router = router_for("messaging", prefix="/v1/automations", tags=["automations"])


@router.get("", summary="List automations", response_model=AutomationList, dependencies=[requires("messaging:read")])
async def list_automations(tx: Tx) -> AutomationList:
    """Return all automations, switched on or off, by code."""
    automations = await tx.scalars(select(Automation).order_by(Automation.code))
    return AutomationList(items=[AutomationOut.model_validate(each) for each in automations])


@router.get(
    "/{code}",
    summary="Read an automation",
    response_model=AutomationOut,
    responses=problems(AutomationNotFound),
    dependencies=[requires("messaging:read")],
)
async def read_automation(code: str, tx: Tx, response: Response) -> Automation:
    automation = await usecases.read_automation(tx, code)
    response.headers["ETag"] = etag(automation.version)
    return automation


@router.patch(
    "/{code}",
    summary="Change an automation, or switch it on or off",
    response_model=AutomationOut,
    responses=problems(AutomationNotFound, AutomationDoesNotFit, InvalidCondition, PreconditionFailed),
    dependencies=[requires("messaging:write")],
)
async def patch_automation(
    code: str, body: AutomationPatch, tx: Tx, request: Request, response: Response
) -> Automation:
    """Change what is given. Switched off, nothing more begins, and what has begun ends at its next step."""
    automation = await usecases.read_automation(tx, code, lock=True)
    check_if_match(request, automation.version)
    await usecases.change_automation(tx, automation, body)
    response.headers["ETag"] = etag(automation.version)
    return automation
