"""What questions about figures, and their answers, have in common in the services that count."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shared.contracts.cards import CalendarDate
from shared.errors import FieldError, Invalid
from shared.persian.calendar import InvalidDate, parse_date


class ConfidenceIntervalOut(BaseModel):
    """The 95 % interval in the unit of the figure: Wilson for shares, adjusted Wald for NPS, t for means."""

    level: float = Field(0.95, examples=[0.95])
    low: float = Field(examples=[64.6])
    high: float = Field(examples=[94.4])

    @classmethod
    def of(cls, ends: tuple[float, float] | None) -> ConfidenceIntervalOut | None:
        """Return an interval as it is shown."""
        return cls(level=0.95, low=ends[0], high=ends[1]) if ends is not None else None


class EmptySpan(Invalid):
    """`to` does not lie after `from`."""

    code = "empty_span"

    def __init__(self, first: str, after: str) -> None:
        message = f"to ({after}) has to lie after from ({first}); it is the first that no longer counts."
        super().__init__(
            message,
            fa=f"to ({after}) باید پس از from ({first}) باشد؛ خود آن دیگر شمرده نمی‌شود.",
            errors=[FieldError("/query/to", self.code, message)],
        )


def read_day(name: str, text: str) -> CalendarDate:
    """Read the day of a query's parameter, in either calendar; a refusal points there."""
    try:
        return parse_date(text)
    except InvalidDate as error:
        fields = [FieldError(f"/query/{name}", error.code, error.detail)]
        raise InvalidDate(error.detail, fa=error.detail_fa, errors=fields) from error
