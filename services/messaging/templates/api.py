"""Templates over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import select

from services.messaging.limits import lint_rules
from services.messaging.templates import usecases
from services.messaging.templates.errors import TemplateExists, TemplateInUse, TemplateInvalid, TemplateNotFound
from services.messaging.templates.models import Template
from services.messaging.templates.schemas import (
    PreviewAsk,
    PreviewOut,
    TemplateCreate,
    TemplateList,
    TemplateOut,
    TemplatePatch,
)
from shared.contracts.messaging import MessageChannel
from shared.errors import PreconditionFailed
from shared.web import RuntimeDep, Tx, check_if_match, etag, problems, requires, router_for

router = router_for("messaging", prefix="/v1/templates", tags=["templates"])


@router.get("", summary="List templates", response_model=TemplateList, dependencies=[requires("messaging:read")])
async def list_templates(
    tx: Tx, channel: Annotated[MessageChannel | None, Query(description="Only those of this channel.")] = None
) -> TemplateList:
    """Return all templates, by code."""
    chosen = select(Template).order_by(Template.code)
    if channel is not None:
        chosen = chosen.where(Template.channel == channel)
    return TemplateList(items=[TemplateOut.model_validate(row) for row in await tx.scalars(chosen)])


@router.post(
    "",
    summary="Make a template",
    status_code=201,
    response_model=TemplateOut,
    responses=problems(TemplateExists, TemplateInvalid),
    dependencies=[requires("messaging:write")],
)
async def create_template(body: TemplateCreate, tx: Tx, response: Response) -> Template:
    """Store a template. A text with an unknown variable, tag or filter is refused, naming it."""
    template = await usecases.create_template(tx, body)
    response.headers["ETag"] = etag(template.version)
    return template


@router.get(
    "/{code}",
    summary="Read a template",
    response_model=TemplateOut,
    responses=problems(TemplateNotFound),
    dependencies=[requires("messaging:read")],
)
async def read_template(code: str, tx: Tx, response: Response) -> Template:
    template = await usecases.read_template(tx, code)
    response.headers["ETag"] = etag(template.version)
    return template


@router.patch(
    "/{code}",
    summary="Change a template",
    response_model=TemplateOut,
    responses=problems(TemplateNotFound, TemplateInvalid, PreconditionFailed),
    dependencies=[requires("messaging:write")],
)
async def patch_template(code: str, body: TemplatePatch, tx: Tx, request: Request, response: Response) -> Template:
    """Change what is given. What is queued is rendered when it is sent, so it gets the new text."""
    template = await usecases.lock_template(tx, code)
    check_if_match(request, template.version)
    usecases.change_template(template, body)
    response.headers["ETag"] = etag(template.version)
    return template


@router.delete(
    "/{code}",
    summary="Delete a template",
    status_code=204,
    responses=problems(TemplateNotFound, TemplateInUse, PreconditionFailed),
    dependencies=[requires("messaging:write")],
)
async def delete_template(code: str, tx: Tx, request: Request) -> None:
    template = await usecases.lock_template(tx, code)
    check_if_match(request, template.version)
    await usecases.delete_template(tx, template)


@router.post(
    "/{code}/preview",
    summary="See a template rendered",
    response_model=PreviewOut,
    responses=problems(TemplateNotFound, TemplateInvalid),
    dependencies=[requires("messaging:read")],
)
async def preview_template(code: str, body: PreviewAsk, tx: Tx, runtime: RuntimeDep) -> PreviewOut:
    """Render with the values given and count the parts; nothing is sent."""
    template = await usecases.read_template(tx, code)
    return usecases.preview(template, body.locale, body.variables, lint_rules(runtime.settings))
