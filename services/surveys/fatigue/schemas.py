"""What the API takes and gives of fatigue."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.fields import Codes
from shared.web.fields import Whole


class FatiguePatch(BaseModel):
    """What is to change; what is absent stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"days": 30, "exempt_touchpoints": ["support", "ticket"]}]}
    )

    days: Whole = Field(30, ge=0, le=3650, description="Days in which a person is asked at most once, by any survey.")
    exempt_touchpoints: Codes = Field(
        [], description="Touchpoints whose requests do not wait for that: a question after support."
    )

    def changes(self) -> dict[str, Any]:
        """Return what the request says, and nothing of what it leaves out."""
        return self.model_dump(exclude_unset=True)


class FatigueOut(BaseModel):
    """How often people are asked."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [{"days": 30, "exempt_touchpoints": ["support", "ticket"], "version": 1}]},
    )

    days: int
    exempt_touchpoints: list[str]
    version: int
