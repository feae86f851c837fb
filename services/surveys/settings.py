"""Settings of the surveys service. How often people are asked is data: `PATCH /v1/surveys/fatigue`."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the surveys service is told by its environment, as `SURVEYS_…`."""

    model_config = SettingsConfigDict(env_prefix="SURVEYS_")
