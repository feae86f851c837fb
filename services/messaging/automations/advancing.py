"""What the next steps of a run are, and what they lead to. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.messaging.automations.steps import (
    Coupon,
    PausePromotion,
    Send,
    Survey,
    Wait,
    products_of,
    read_steps,
    wait_s,
)
from services.messaging.contacts.cards import TOPIC_OF_PRODUCER
from services.messaging.messages.intents import Intent
from shared.contracts import Event, registry
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.messaging import CouponRequested, SurveyRequested
from shared.ids import derived_id


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands: the event's payload, the steps, and the place of the next one."""

    id: UUID
    automation: str
    person_id: UUID
    status: str
    step: int
    steps: list[dict[str, Any]]
    event_type: str
    payload: dict[str, Any]
    coupon: dict[str, Any] | None = None
    card_version: int = 0


@dataclass(frozen=True, slots=True)
class Sendable:
    """What a step needs to know of a template."""

    channel: str
    purpose: str


@dataclass(slots=True)
class Progress:
    """Where a run stands after its steps, and what they led to."""

    status: str
    step: int
    due_at: datetime
    reason: str | None = None
    request_id: UUID | None = None
    intents: list[Intent] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pause_days: int | None = None


def advance(run: Run, templates: Mapping[str, Sendable], *, now: datetime, coupon_wait: timedelta) -> Progress:
    """Take the steps of a run that is due, up to one that waits, or to the end.

    A run that is due while it waits for a coupon has waited long enough: it goes on without, or ends.
    """
    steps = read_steps(run.steps)
    progress = Progress("running", run.step, now)
    if run.status == "waiting":
        _without_coupon(progress, steps[run.step])
    while progress.status == "running" and progress.step < len(steps):
        step = steps[progress.step]
        if isinstance(step, Wait):
            progress.due_at = now + timedelta(seconds=wait_s(step, run.payload))
            progress.step += 1
            if progress.due_at > now:
                return progress
        elif isinstance(step, Coupon):
            _ask_for_coupon(progress, run, step, now, coupon_wait)
        else:
            _do(progress, run, step, templates, now)
            progress.step += 1
    if progress.status == "running":
        progress.status = "done"
    return progress


def _without_coupon(progress: Progress, step: object) -> None:
    progress.reason = "no_coupon"
    if isinstance(step, Coupon) and step.otherwise == "end":
        progress.status = "done"
    progress.step += 1


def _ask_for_coupon(progress: Progress, run: Run, step: Coupon, now: datetime, wait: timedelta) -> None:
    """Ask, and wait at this step for the answer."""
    request_id = derived_id(run.id, "coupon", progress.step)
    asked = CouponRequested(
        occurred_at=now,
        request_id=request_id,
        person_id=run.person_id,
        discount_percent=step.discount_percent,
        valid_days=step.valid_days,
        reason=run.automation,
    )
    progress.events.append(asked)
    progress.status, progress.request_id, progress.due_at = "waiting", request_id, now + wait


def _do(
    progress: Progress,
    run: Run,
    step: Send | Survey | PausePromotion,
    templates: Mapping[str, Sendable],
    now: datetime,
) -> None:
    match step:
        case Survey():
            progress.events.append(_survey(run, step, progress.step, now))
        case PausePromotion():
            progress.pause_days = step.days
        case Send():
            intent = _intent(run, step, progress.step, templates)
            if intent is not None and not _said_already(progress, intent):
                progress.intents.append(intent)


def _said_already(progress: Progress, intent: Intent) -> bool:
    """An agent who is their own manager is told once."""
    return any((each.person_id, each.template) == (intent.person_id, intent.template) for each in progress.intents)


def _survey(run: Run, step: Survey, place: int, now: datetime) -> SurveyRequested:
    products = products_of(run.payload)
    return SurveyRequested(
        occurred_at=now,
        request_id=derived_id(run.id, "survey", place),
        person_id=run.person_id,
        survey=step.survey,
        touchpoint=run.event_type.partition(".")[0],
        product=products[0] if products else None,
        agent_id=_id(run.payload.get("agent_id")),
        purchase_id=_id(run.payload.get("purchase_id")),
    )


def _intent(run: Run, step: Send, place: int, templates: Mapping[str, Sendable]) -> Intent | None:
    """Return what is to be sent; None to an agent whom the event does not name."""
    staff = step.to != "person"
    receiver = _id(run.payload.get(f"{step.to}_id")) if staff else run.person_id
    if receiver is None:
        return None
    template = templates.get(step.template, Sendable("sms", "service"))
    return Intent(
        key=f"run:{run.id}:{place}",
        person_id=receiver,
        about_id=run.person_id if staff else None,
        channel=template.channel,
        purpose=template.purpose,
        template=step.template,
        variables=_variables(run),
        automation=run.automation,
        coupon_id=_id((run.coupon or {}).get("coupon_id")),
        lead_id=_id(run.payload.get("lead_id")),
        needs_topic=LEADS_CONTACTS if staff else TOPIC_OF_PRODUCER.get(registry[run.event_type].topic),
        needs_version=0 if staff else run.card_version,
    )


def _variables(run: Run) -> dict[str, Any]:
    products = products_of(run.payload)
    coupon = run.coupon or {}
    return {
        **({"product": products[0]} if products else {}),
        **{name: coupon[name] for name in ("coupon_code", "discount_percent", "coupon_valid_until") if name in coupon},
    }


def _id(given: object) -> UUID | None:
    return UUID(str(given)) if given else None
