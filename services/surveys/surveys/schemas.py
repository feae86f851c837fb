"""What the API takes and gives of surveys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.surveys.fields import Title
from services.surveys.scales import Kind, Scale
from shared.web import Page
from shared.web.fields import Code, Flag, Whole

Channel = Literal["sms", "email", "api"]
NPS_INTERVAL_DAYS = 90

EXAMPLE: dict[str, Any] = {
    "code": "csat_delivery",
    "kind": "csat",
    "scale": "1-5",
    "title": "رضایت از تحویل کالا",
    "channel": "sms",
    "template": "csat_delivery",
    "touchpoint": "delivery",
    "sampling_percent": 50,
    "interval_days": 60,
    "valid_days": 14,
    "active": True,
}


EXAMPLE_OUT: dict[str, Any] = {
    "id": "019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11",
    **EXAMPLE,
    "version": 1,
    "created_at": "2026-11-22T08:30:00Z",
    "updated_at": "2026-11-22T08:30:00Z",
}


class SurveyCreate(BaseModel):
    """A new survey."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    code: Code
    kind: Kind
    scale: Scale = Field(description="1-3, 1-5 or 1-10 for csat, 0-10 for nps, 1-7 for ces. Never changes.")
    title: Title
    channel: Channel = "sms"
    template: Code | None = Field(None, description="Code of the template of messaging that asks the question.")
    touchpoint: Code | None = Field(
        None, description="Where in the customer's journey it is asked, unless a request says."
    )
    sampling_percent: Whole = Field(100, ge=0, le=100, description="Share of the people that are asked.")
    interval_days: Whole | None = Field(
        None, ge=1, le=3650, description="Days before a person is asked this again; 90 for nps unless it is given."
    )
    valid_days: Whole = Field(14, ge=1, le=365, description="Days within which an answer is taken.")
    active: Flag = True

    @model_validator(mode="after")
    def _ask_for_recommendations_seldom(self) -> Self:
        if self.kind == "nps" and "interval_days" not in self.model_fields_set:
            self.interval_days = NPS_INTERVAL_DAYS
        return self


class SurveyPatch(BaseModel):
    """What is to change; what is absent stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"sampling_percent": 25, "interval_days": None, "active": True}]},
    )

    title: Title = ""
    channel: Channel = "sms"
    template: Code | None = None
    touchpoint: Code | None = None
    sampling_percent: Whole = Field(100, ge=0, le=100)
    interval_days: Whole | None = Field(None, ge=1, le=3650)
    valid_days: Whole = Field(14, ge=1, le=365)
    active: Flag = True

    def changes(self) -> dict[str, Any]:
        """Return what the request says, and nothing of what it leaves out."""
        return self.model_dump(exclude_unset=True)


class SurveyOut(BaseModel):
    """A survey."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [EXAMPLE_OUT]},
    )

    id: UUID
    code: str
    kind: Kind
    scale: Scale
    title: str
    channel: Channel
    template: str | None
    touchpoint: str | None
    sampling_percent: int
    interval_days: int | None
    valid_days: int
    active: bool
    version: int
    created_at: datetime
    updated_at: datetime


class SurveyPage(Page[SurveyOut]):
    """A page of surveys."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_OUT], "next_cursor": None}]})
