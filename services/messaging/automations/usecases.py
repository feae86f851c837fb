"""Editing automations. What names a template, a field or an event that there is not is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.messaging.automations.errors import AutomationDoesNotFit, AutomationNotFound
from services.messaging.automations.models import Automation
from services.messaging.automations.schemas import AutomationPatch
from services.messaging.automations.steps import Send, Wait, stored
from services.messaging.templates.models import Template
from shared.clock import utcnow
from shared.conditions import event_fields, parse_condition
from shared.contracts import Withdrawal, customers, leads, registry, surveys
from shared.errors import FieldError


def triggers() -> dict[str, Any]:
    """Return the events that can trigger an automation, by name: nothing that happened to a person is withdrawn."""
    heard = {leads.TOPIC, customers.TOPIC, surveys.TOPIC}
    return {
        name: event
        for name, event in sorted(registry.items())
        if event.topic in heard and not issubclass(event, Withdrawal)
    }


async def read_automation(tx: AsyncSession, code: str, *, lock: bool = False) -> Automation:
    """Return an automation; locked if it is to be changed."""
    automation = await tx.get(Automation, code, with_for_update=lock)
    if automation is None:
        raise AutomationNotFound(code)
    return automation


async def change_automation(tx: AsyncSession, automation: Automation, patch: AutomationPatch) -> Automation:
    """Change what is given and check the whole."""
    given = patch.model_fields_set
    if patch.trigger is not None:
        automation.trigger = patch.trigger
    if "condition" in given:
        automation.condition = patch.condition
    if patch.active is not None:
        automation.active = patch.active
    if patch.delay_s is not None:
        automation.delay_s = patch.delay_s
    if patch.steps is not None:
        await _check_steps(tx, patch.steps)
        automation.steps = stored(patch.steps)
    _check_condition(automation)
    automation.version += 1
    automation.updated_at = utcnow()
    return automation


def _check_condition(automation: Automation) -> None:
    event = triggers().get(automation.trigger)
    if event is None:
        known = ", ".join(triggers())
        message = f"{automation.trigger!r} is not an event that messaging hears; it hears {known}."
        persian = f"«{automation.trigger}» رویدادی نیست که گردش کار با آن آغاز شود؛ رویدادها: {known}."
        raise AutomationDoesNotFit([FieldError("/trigger", "unknown_event", message, fa=persian)])
    if automation.condition is not None:
        parse_condition(automation.condition, event_fields(event), at="/condition")


async def _check_steps(tx: AsyncSession, steps: Sequence[Any]) -> None:
    if all(isinstance(step, Wait) for step in steps):
        message = "An automation that only waits does nothing; add a step such as send."
        persian = "گردش کاری که تنها صبر می‌کند کاری انجام نمی‌دهد؛ گامی مانند send بیفزایید."
        raise AutomationDoesNotFit([FieldError("/steps", "does_nothing", message, fa=persian)])
    named = {place: step.template for place, step in enumerate(steps) if isinstance(step, Send)}
    known = set(await tx.scalars(select(Template.code).where(Template.code.in_(named.values()))))
    faults = [
        FieldError(
            f"/steps/{place}/template",
            "template_not_found",
            f"There is no template {code!r}.",
            fa=f"قالبی با کد «{code}» نیست.",
        )
        for place, code in named.items()
        if code not in known
    ]
    if faults:
        raise AutomationDoesNotFit(faults)
