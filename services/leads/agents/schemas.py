"""What the API takes and gives about agents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.leads.agents.models import Agent, Role
from services.leads.fields import CodeText, Name
from shared.persian.email_address import Email
from shared.persian.phone import Mobile
from shared.web import Page, Principal
from shared.web.fields import Flag, Whole, not_null
from shared.web.masking import mask_email, mask_phone

EXAMPLE: dict[str, Any] = {
    "first_name": "نازنین",
    "last_name": "آزمایشی",
    "phone": "۰۹۹۹۰۰۰۰۰۰۲",
    "role": "agent",
    "team": "sales",
    "capacity": 40,
}
EXAMPLE_OUT: dict[str, Any] = EXAMPLE | {
    "id": "0193a1c0-7d00-7000-8000-00000000000a",
    "phone": "+989990000002",
    "email": None,
    "manager_id": None,
    "on_duty": True,
    "active": True,
    "open_leads": 3,
    "last_assigned_at": "2026-11-22T06:00:00Z",
    "version": 1,
    "created_at": "2026-11-01T05:30:00Z",
    "updated_at": "2026-11-01T05:30:00Z",
}

Capacity = Annotated[Whole, Field(ge=1, le=10_000, description="Open leads that are a full share; a weight, no limit.")]


class AgentCreate(BaseModel):
    """A member of staff who joins."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    first_name: Name | None = None
    last_name: Name | None = None
    phone: Mobile | None = None
    email: Email | None = None
    role: Role = "agent"
    team: CodeText | None = None
    manager_id: UUID | None = None
    capacity: Capacity = 50
    on_duty: Flag = True
    active: Flag = True


class AgentPatch(BaseModel):
    """What is to change; fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"on_duty": False}]})

    first_name: Name | None = None
    last_name: Name | None = None
    phone: Mobile | None = None
    email: Email | None = None
    role: Role | None = None
    team: CodeText | None = None
    manager_id: UUID | None = None
    capacity: Capacity | None = None
    on_duty: Flag | None = None
    active: Flag | None = None

    _given = field_validator("role", "capacity", "on_duty", "active")(not_null)


class AgentOut(BaseModel):
    """A member of staff and their share of the open leads."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE_OUT]})

    id: UUID
    first_name: str | None
    last_name: str | None
    phone: str | None
    email: str | None
    role: Role
    team: str | None
    manager_id: UUID | None
    capacity: int
    on_duty: bool
    active: bool
    open_leads: int
    last_assigned_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def shown_to(cls, principal: Principal, agent: Agent) -> Self:
        """Show an agent; number and address are masked for who may not see personal data."""
        shown = cls.model_validate(agent)
        if not principal.sees_personal_data:
            shown.phone, shown.email = mask_phone(shown.phone), mask_email(shown.email)
        return shown


class AgentPage(Page[AgentOut]):
    """A page of agents."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_OUT], "next_cursor": None}]})
