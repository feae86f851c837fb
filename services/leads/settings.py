"""Settings of the leads service: working time, the first response, and how leads are kept apart and shared out."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.leads.leads.working_time import Weekday, WorkingTime, knows_country, office_hours, round_the_clock
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the leads service is told by its environment, as `LEADS_…`."""

    model_config = SettingsConfigDict(env_prefix="LEADS_")

    first_response_minutes: int = Field(
        5, ge=1, le=10_080, description="Minutes of working time within which a lead that came by itself is answered."
    )
    working_days: Annotated[tuple[Weekday, ...], NoDecode] = Field(
        ("sat", "sun", "mon", "tue", "wed", "thu"),
        min_length=1,
        description="Days on which leads are answered, comma-separated: sat, sun, mon, tue, wed, thu, fri.",
    )
    opens_at: time = Field(time(8, 30), description="When a working day begins, in the deployment's zone.")
    closes_at: time = Field(
        time(17, 30), validate_default=True, description="When a working day ends, in the deployment's zone."
    )
    holiday_country: str | None = Field(
        "IR", description="Country whose public holidays are no working days, as ISO 3166-1 code; empty for none."
    )
    extra_holidays: Annotated[tuple[date, ...], NoDecode] = Field(
        (), description="Further days off, comma-separated: 2026-11-23,2026-11-24."
    )
    round_the_clock: bool = Field(default=False, description="Leads are answered at every hour of every day.")
    unreached_attempt_answers: bool = Field(
        default=True, description="A call that was not taken answers the question too; it is told apart in all figures."
    )
    reassign_overdue: bool = Field(
        default=True,
        description="A lead whose question falls due unanswered goes to another agent on duty, if there is one.",
    )
    one_open_lead_per: Literal["person_and_product", "person"] = Field(
        "person_and_product", description="What a second capture must share with an open lead to be the same lead."
    )

    @field_validator("working_days", "extra_holidays", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())

    @field_validator("holiday_country")
    @classmethod
    def _known_country(cls, value: str | None) -> str | None:
        if value and not knows_country(value):
            raise ValueError(f"{value!r} is no country whose holidays are known; IR is.")
        return value or None

    @field_validator("closes_at")
    @classmethod
    def _after_it_opens(cls, value: time, info: ValidationInfo) -> time:
        opens_at = info.data.get("opens_at")
        if opens_at is not None and value <= opens_at:
            raise ValueError(f"{value} is not after LEADS_OPENS_AT, which is {opens_at}.")
        return value

    @property
    def first_response(self) -> timedelta:
        """Return the working time within which a question is to be answered."""
        return timedelta(minutes=self.first_response_minutes)

    @property
    def working_time(self) -> WorkingTime:
        """Return the hours that count."""
        if self.round_the_clock:
            return round_the_clock()
        return office_hours(
            self.zone, self.opens_at, self.closes_at, self.working_days, self.holiday_country, self.extra_holidays
        )
