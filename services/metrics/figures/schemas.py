"""What figures are answered with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.metrics.figures import examples
from services.metrics.figures.catalogue import Unit
from shared.persian.calendar import Calendar, Interval
from shared.web.figures import ConfidenceIntervalOut

Number = int | float | str | None
DAY = "A day of the calendar asked for, as it begins in the deployment's zone."


class PointOut(BaseModel):
    """A figure of the days `[from, to)`."""

    model_config = ConfigDict(populate_by_name=True)

    first: Annotated[str, Field(alias="from", description=DAY, examples=["1405-06-01"])]
    after: Annotated[str, Field(alias="to", description=DAY, examples=["1405-07-01"])]
    starts_at: datetime = Field(description="The instant at which `from` begins.", examples=["2026-08-22T20:30:00Z"])
    ends_at: datetime = Field(description="The instant at which `to` begins.", examples=["2026-09-22T20:30:00Z"])
    by: str | None = Field(
        description="The code of the dimension; null without one, and for what carries no code.", examples=["website"]
    )
    value: Number = Field(
        description="Unrounded; null where there is nothing to divide by. Integers above 2^53 are text.",
        examples=[75.0],
    )
    count: int = Field(description="How many customers, purchases, leads or answers the value rests on.", examples=[4])
    complete: bool = Field(description="Whether the period is over, so that only late facts can change it.")
    parts: dict[str, Number] = Field(
        description="What the value was made of.",
        examples=[{"active_at_start": 4, "active_at_end": 5, "new": 1, "won_back": 1}],
    )
    confidence_interval: ConfidenceIntervalOut | None = Field(
        None, description="In percent, of shares and NPS; null where the figure has none."
    )


class FigureOut(BaseModel):
    """A figure over a span: one point for the whole of it, or one a period and code."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"examples": [examples.FIGURE]})

    figure: str = Field(examples=["retention"])
    unit: Unit
    first: Annotated[str, Field(alias="from", description=DAY, examples=["1405-06-01"])]
    after: Annotated[str, Field(alias="to", description=DAY, examples=["1405-07-01"])]
    calendar: Calendar = Field(examples=["jalali"])
    interval: Interval | None = Field(examples=["month"])
    by: str | None = Field(description="The dimension that points are split by.", examples=["source"])
    currency: str | None = Field(None, description="Of figures in money.", examples=["IRR"])
    computed: str = Field(
        description="`kept`: read from kept counts; `on_demand`: at least one point was counted for this answer.",
        examples=["kept"],
    )
    points: list[PointOut]


class DefinitionOut(BaseModel):
    """A figure that can be asked for."""

    figure: str = Field(examples=["leads_captured"])
    title: str = Field(examples=["Leads captured"])
    title_fa: str = Field(examples=["سرنخ‌های ثبت‌شده"])
    unit: Unit
    definition: str = Field(examples=["Leads captured in the period."])
    dimensions: list[str] = Field(description="What `by` can be.", examples=[["source", "agent"]])
    intervals: list[Interval] = Field(examples=[["day", "week", "month", "quarter", "year"]])


class DefinitionsOut(BaseModel):
    """Every figure, and the settings they are counted by."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DEFINITIONS]})

    figures: list[DefinitionOut]
    time_zone: str = Field(description="The zone in which days begin.", examples=["Asia/Tehran"])
    activity_days: int = Field(description="Days of 24 hours for which a purchase makes active.", examples=[90])
    margin: float = Field(description="The margin in CLV; 1.0 is called revenue-based.", examples=[1.0])


class CohortMonthOut(BaseModel):
    """What became of a cohort in one month; month 0 is that of the first purchase."""

    model_config = ConfigDict(from_attributes=True)

    month: int = Field(examples=[1])
    bought: int = Field(description="How many bought in the month.", examples=[3])
    bought_share: float = Field(description="In percent of the cohort.", examples=[37.5])
    active: int = Field(description="How many were active at the month's end.", examples=[8])
    active_share: float = Field(description="In percent of the cohort.", examples=[100.0])
    complete: bool = Field(description="Whether the month is over.")


class CohortOut(BaseModel):
    """Customers who first bought in one month."""

    model_config = ConfigDict(from_attributes=True)

    cohort: str = Field(description="The month in the calendar asked for.", examples=["1405-06"])
    size: int = Field(examples=[8])
    months: list[CohortMonthOut]


class CohortsOut(BaseModel):
    """Cohorts of the months that the span touches."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"examples": [examples.COHORTS]})

    first: Annotated[str, Field(alias="from", description=DAY, examples=["1405-01-01"])]
    after: Annotated[str, Field(alias="to", description=DAY, examples=["1406-01-01"])]
    calendar: Calendar = Field(examples=["jalali"])
    computed: str = Field(examples=["kept"])
    cohorts: list[CohortOut]


class AuditOut(BaseModel):
    """Kept counts against a full recomputation from the facts."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.AUDIT]})

    equal: bool = Field(description="Whether every kept count equals the recomputed one.")
    compared: int = Field(description="How many counts were compared.", examples=[110958])
    differing: int = Field(description="How many differ.", examples=[0])
    examples: list[str] = Field(description="Some of those that differ.", examples=[[]])
