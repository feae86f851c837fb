"""What the sandbox runs with, read from `SANDBOX_…` where it is started by itself."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.settings import COMMA_SEPARATED, SettingsError, Words

DEFAULT_API_KEY = "peyvand-sandbox"
DEFAULT_TEST_KEY = "peyvand-sandbox-test"
DEFAULT_LINE = 30007732000000
VERIFY_LINE = 20007732000000
"""The shared service line that pattern messages come from; nobody can rent it."""


class Settings(BaseSettings):
    """The panel's account and the mail server's address."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="ignore", frozen=True)

    database_url: str = Field(description="Address of the sandbox's own database: postgresql://user:password@host/db.")
    host: str = Field("127.0.0.1", description="Address that the sandbox's HTTP server listens on.")
    port: int = Field(8025, ge=0, le=65535, description="Port that the sandbox's HTTP server listens on.")
    time_zone: str = Field("Asia/Tehran", description="Zone of the panel's days.")
    api_keys: Words = Field((DEFAULT_API_KEY,), description="Keys that X-API-KEY may carry, comma-separated.")
    test_keys: Words = Field(
        (DEFAULT_TEST_KEY,), description="Keys of kind Sandbox: answered alike, nothing sent, nothing in the reports."
    )
    lines: Annotated[tuple[int, ...], NoDecode, COMMA_SEPARATED] = Field(
        (DEFAULT_LINE,), description="The account's lines, comma-separated."
    )
    credit: float = Field(1_000_000, ge=0, description="Messages left at the first start.")
    delivery_delay_s: float = Field(1.0, ge=0, description="Seconds from accepting a message to its delivery.")
    smtp_host: str = Field("127.0.0.1", description="Address that the mail server listens on.")
    smtp_port: int = Field(2525, ge=0, le=65535, description="Port of the mail server; 0 takes a free one.")
    smtp_starttls: bool = Field(default=False, description="Offer STARTTLS, with a certificate made at start.")


def from_environment() -> Settings:
    """Read the settings, or raise `SettingsError` naming every variable that is missing or wrong, a sentence each."""
    if os.environ.get("PEYVAND_SANDBOX") != "1":
        raise SettingsError(
            "The sandbox takes every message for itself. Set PEYVAND_SANDBOX=1 if that is what you want."
        )
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(fault) for fault in error.errors())) from None


def _sentence(fault: ErrorDetails) -> str:
    name = str(fault["loc"][0])
    what = "is missing" if fault["type"] == "missing" else f"is wrong: {fault['msg']}"
    return f"SANDBOX_{name.upper()} {what}: {Settings.model_fields[name].description}"


def refuse_production() -> None:
    """Raise where the sandbox was started beside a distributed deployment without being asked for by name."""
    if os.environ.get("PEYVAND_MODE") == "distributed" and os.environ.get("PEYVAND_SANDBOX") != "1":
        raise SettingsError(
            "The sandbox does not start in a distributed deployment: it would swallow every message. "
            "Set PEYVAND_SANDBOX=1 if that is what you want."
        )
