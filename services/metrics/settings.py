"""Settings of the metrics service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from `METRICS_…`."""

    model_config = SettingsConfigDict(env_prefix="METRICS_")

    margin: float = Field(
        1.0, gt=0, le=1, description="Share of the value that is margin in CLV; at 1.0 CLV is called revenue-based."
    )
    currency: str = Field("IRR", description="Currency of money figures where a request names none.")
    on_demand_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Longest that a figure which is not kept may be counted for."
    )
