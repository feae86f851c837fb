"""Automations as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.messaging.automations.steps import Step
from shared.web.fields import Flag, Whole, not_null

_STEPS: list[Any] = [
    {"type": "wait", "days": 3, "by_product": {"sample": 60}},
    {"type": "survey", "survey": "csat_purchase"},
]


class AutomationPatch(BaseModel):
    """What is to change; what is absent stays. Runs that have begun keep the steps that they began with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": True, "steps": _STEPS}})

    active: Flag | None = None
    trigger: str | None = Field(None, max_length=64, examples=["purchase.recorded"])
    condition: dict[str, Any] | None = Field(
        None, description="A condition tree over the event's fields; null: every such event."
    )
    delay_s: Whole | None = Field(None, ge=0, le=31_536_000)
    steps: list[Step] | None = Field(None, min_length=1, max_length=50)

    _given = field_validator("active", "trigger", "delay_s", "steps")(not_null)


_AUTOMATION: dict[str, Any] = {
    "code": "csat_after_purchase",
    "title": "Ask how a purchase went",
    "title_fa": "پرسش رضایت پس از خرید",
    "active": True,
    "trigger": "purchase.recorded",
    "condition": None,
    "delay_s": 0,
    "steps": _STEPS,
    "version": 1,
    "updated_at": "2026-11-22T09:00:00Z",
}


class AutomationOut(BaseModel):
    """An automation: what follows which event, for whom."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": _AUTOMATION},
    )

    code: str
    title: str
    title_fa: str
    active: bool
    trigger: str
    condition: dict[str, Any] | None
    delay_s: int
    steps: list[dict[str, Any]]
    version: int
    updated_at: datetime


class AutomationList(BaseModel):
    """All automations, by code."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [_AUTOMATION], "next_cursor": None}})

    items: list[AutomationOut]
    next_cursor: str | None = None
