"""The steps that an automation is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.messaging.templates.schemas import TemplateCode
from shared.web.fields import Code, Whole


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wait(_Step):
    """Go on after a time; `by_product` gives other times, in seconds, for what was bought."""

    type: Literal["wait"]
    seconds: Whole = Field(0, ge=0, le=31_536_000)
    hours: Whole = Field(0, ge=0, le=8_760)
    days: Whole = Field(0, ge=0, le=365)
    by_product: dict[Code, Annotated[Whole, Field(ge=0, le=31_536_000)]] = Field(default={}, max_length=1_000)

    @property
    def usual_s(self) -> int:
        """Return the time in seconds where no product says otherwise."""
        return self.seconds + self.hours * 3_600 + self.days * 86_400


class Coupon(_Step):
    """Ask for a coupon and wait for it; refused or too late, go on without it, or end."""

    type: Literal["coupon"]
    discount_percent: Whole = Field(ge=1, le=100, examples=[10])
    valid_days: Whole = Field(30, ge=1, le=365)
    otherwise: Literal["continue", "end"] = "continue"


class Survey(_Step):
    """Ask the surveys service to ask the person."""

    type: Literal["survey"]
    survey: Code = Field(examples=["csat_purchase"])


class Send(_Step):
    """Send a template: to the person, or to the agent or the manager whom the event names, if it names one."""

    type: Literal["send"]
    template: TemplateCode
    to: Literal["person", "agent", "manager"] = "person"


class PausePromotion(_Step):
    """Let the person have no promotion for some days."""

    type: Literal["pause_promotion"]
    days: Whole = Field(14, ge=1, le=365)


Step = Annotated[Wait | Coupon | Survey | Send | PausePromotion, Field(discriminator="type")]


_ADAPTER: TypeAdapter[list[Wait | Coupon | Survey | Send | PausePromotion]] = TypeAdapter(list[Step])


def read_steps(stored: list[dict[str, Any]]) -> list[Wait | Coupon | Survey | Send | PausePromotion]:
    """Read steps as they are stored."""
    return _ADAPTER.validate_python(stored)


def stored(steps: list[Any]) -> list[dict[str, Any]]:
    """Return steps as they are stored: what is left at its usual value is left out."""
    return [{"type": step.type, **step.model_dump(exclude_defaults=True)} for step in steps]


def products_of(payload: dict[str, Any]) -> list[Code]:
    """Return the products that an event speaks of."""
    lines = [line["product"] for line in payload.get("lines") or () if line.get("product")]
    return lines or ([payload["product"]] if payload.get("product") else [])


def wait_s(step: Wait, payload: dict[str, Any]) -> int:
    """Return how long a step waits: the shortest time that a product of the event has, else the usual one."""
    given = [step.by_product[product] for product in products_of(payload) if product in step.by_product]
    return min(given) if given else step.usual_s


def lead_in_s(steps: list[Any], payload: dict[str, Any]) -> tuple[int, int]:
    """Return the seconds that the leading waits take, and the place of the first step that does something."""
    seconds = 0
    for place, step in enumerate(steps):
        if not isinstance(step, Wait):
            return seconds, place
        seconds += wait_s(step, payload)
    return seconds, len(steps)
