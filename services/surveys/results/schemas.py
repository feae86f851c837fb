"""What the API gives of results."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.results.figures import figure, percent
from services.surveys.results.queries import Counted
from services.surveys.scales import Kind, Scale
from services.surveys.surveys.models import Survey
from shared.web.figures import ConfidenceIntervalOut

EXAMPLE: dict[str, Any] = {
    "figure": "csat",
    "survey": "csat_purchase",
    "scale": "1-5",
    "from": "2026-10-22T20:30:00Z",
    "to": "2026-11-21T20:30:00Z",
    "points": [
        {
            "by": None,
            "value": 80.0,
            "confidence_interval": {"level": 0.95, "low": 49.016247153664183, "high": 94.33178485456247},
            "count": 10,
            "parts": {"satisfied": 8, "neutral": 1, "unsatisfied": 1},
            "easy_share": None,
            "easy_confidence_interval": None,
            "delivered": 25,
            "responded": 10,
            "response_rate": 40.0,
        }
    ],
}


class ResultPoint(BaseModel):
    """The figure for one value of the dimension; null where there is nothing to divide by."""

    by: str | None
    value: float | None = Field(description="CSAT and NPS in percent, CES as the mean.")
    confidence_interval: ConfidenceIntervalOut | None = Field(description="Of the value.")
    count: int = Field(description="Answers given in the period.")
    parts: dict[str, int] = Field(description="Answers by category.")
    easy_share: float | None = Field(description="CES only: share of easy answers in percent.")
    easy_confidence_interval: ConfidenceIntervalOut | None = Field(description="Of the share that is easy.")
    delivered: int = Field(description="Invitations delivered in the period.")
    responded: int = Field(description="Those of them that were answered.")
    response_rate: float | None = Field(description="responded / delivered, in percent.")

    @classmethod
    def of(cls, survey: Survey, by: str | None, counted: Counted) -> ResultPoint:
        """Return the point of what was counted."""
        found = figure(survey.kind, survey.scale, counted.tallies)
        return cls(
            by=by,
            value=found.value,
            confidence_interval=ConfidenceIntervalOut.of(found.interval),
            count=found.count,
            parts=dict(found.parts),
            easy_share=found.easy_share,
            easy_confidence_interval=ConfidenceIntervalOut.of(found.easy_interval),
            delivered=counted.delivered,
            responded=counted.responded,
            response_rate=percent(counted.responded, counted.delivered),
        )


class ResultsOut(BaseModel):
    """What the answers to a survey say."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]}, validate_by_name=True, validate_by_alias=True)

    figure: Kind
    survey: str
    scale: Scale
    since: datetime | None = Field(serialization_alias="from")
    until: datetime | None = Field(serialization_alias="to")
    points: list[ResultPoint]
