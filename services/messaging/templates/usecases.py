"""Making, changing and trying templates. What cannot be rendered is not saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations.models import Automation
from services.messaging.messages.lint import LintRules, lint, size
from services.messaging.templates.errors import TemplateExists, TemplateInUse, TemplateInvalid, TemplateNotFound
from services.messaging.templates.models import Template
from services.messaging.templates.rendering import PROVIDED, Body, Rendered, RenderError, check, render
from services.messaging.templates.schemas import BodySchema, PreviewOut, TemplateCreate, TemplatePatch
from shared.clock import utcnow
from shared.errors import FieldError


async def create_template(tx: AsyncSession, new: TemplateCreate) -> Template:
    """Store a template; two that are made at once under one code cannot both be."""
    _check(new.bodies, new.variables)
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"template:{new.code}", 0))))
    if await tx.get(Template, new.code) is not None:
        raise TemplateExists(new.code)
    now = utcnow()
    template = Template(
        **new.model_dump(exclude={"bodies"}), bodies=_stored(new.bodies), created_at=now, updated_at=now, version=1
    )
    tx.add(template)
    return template


def change_template(template: Template, patch: TemplatePatch) -> Template:
    """Change a template that the caller has locked; what it renders is checked as a whole."""
    bodies = patch.bodies if patch.bodies is not None else _bodies(template)
    variables = patch.variables if patch.variables is not None else template.variables
    _check(bodies, variables)
    template.bodies, template.variables = _stored(bodies), list(variables)
    template.purpose = patch.purpose or template.purpose
    template.title = patch.title or template.title
    template.title_fa = patch.title_fa or template.title_fa
    template.version += 1
    template.updated_at = utcnow()
    return template


async def delete_template(tx: AsyncSession, template: Template) -> None:
    """Delete a template that no automation sends; what was sent with it keeps its text."""
    automations = (await tx.scalars(select(Automation).order_by(Automation.code))).all()
    users = [each.code for each in automations if any(step.get("template") == template.code for step in each.steps)]
    if users:
        raise TemplateInUse(template.code, users)
    await tx.delete(template)


async def lock_template(tx: AsyncSession, code: str) -> Template:
    """Return a template, locked for a change."""
    template = await tx.get(Template, code, with_for_update=True)
    if template is None:
        raise TemplateNotFound(code)
    return template


async def read_template(tx: AsyncSession, code: str) -> Template:
    """Return a template."""
    template = await tx.get(Template, code)
    if template is None:
        raise TemplateNotFound(code)
    return template


def preview(template: Template, locale: str, values: Mapping[str, Any], rules: LintRules) -> PreviewOut:
    """Render a template as a person would get it, and count its parts."""
    given = {**dict.fromkeys(PROVIDED, ""), "opt_out_text": rules.opt_out_text, **values}
    try:
        rendered = render(body_for(template.bodies, locale), given)
    except RenderError as error:
        raise TemplateInvalid([FieldError("/variables", error.code, str(error))]) from error
    return _sized(template, rendered, rules)


def body_for(bodies: Mapping[str, Any], locale: str) -> Body:
    """Return the texts of `locale`, of Persian where it has none, else of any."""
    chosen = bodies.get(locale) or bodies.get("fa") or next(iter(bodies.values()))
    return Body(**chosen)


def _sized(template: Template, rendered: Rendered, rules: LintRules) -> PreviewOut:
    billed = size(rendered.text, rules) if template.channel == "sms" else None
    return PreviewOut(
        text=rendered.text,
        subject=rendered.subject,
        html=rendered.html,
        encoding=billed.encoding if billed else None,
        units=billed.units if billed else None,
        parts=billed.count if billed else None,
        characters=len(rendered.text),
        lint=lint(rendered.text, channel=template.channel, purpose=template.purpose, rules=rules),
    )


def _bodies(template: Template) -> Mapping[Any, BodySchema]:
    return {locale: BodySchema(**body) for locale, body in template.bodies.items()}


def _stored(bodies: Mapping[Any, BodySchema]) -> dict[str, Any]:
    return {locale: body.model_dump(exclude_none=True) for locale, body in bodies.items()}


def _check(bodies: Mapping[Any, BodySchema], variables: list[str]) -> None:
    faults = [
        fault
        for locale, body in bodies.items()
        for fault in check(Body(**body.model_dump()), declared=frozenset(variables), pointer=f"/bodies/{locale}")
    ]
    if faults:
        raise TemplateInvalid(faults)
