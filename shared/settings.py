"""Settings, read from the environment: what all services share (`PEYVAND_…`) and each service's own (`LEADS_…`).

Every missing or wrong variable is named at start, in a sentence each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def common(name: str, default: object, description: str, **limits: Any) -> Any:
    """Return a field that all services share: `PEYVAND_<NAME>` in the environment, `<name>` from code."""
    alias = AliasChoices(f"PEYVAND_{name.upper()}", name)
    return Field(default, validation_alias=alias, description=description, **limits)


def split_words(value: object) -> object:
    """Read what is comma-separated; what is no text is left to the field's own check."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


COMMA_SEPARATED = BeforeValidator(split_words)
"""Reads a setting that holds several values; beside `NoDecode`, as they are no JSON."""

Words = Annotated[tuple[str, ...], NoDecode, COMMA_SEPARATED]


def read_currencies(value: object) -> object:
    """Read currencies with the digits after their point; what is no text is left to the field's own check."""
    if not isinstance(value, str):
        return value
    pairs = [part.strip() for part in value.split(",") if part.strip()]
    wrong = [pair for pair in pairs if not re.fullmatch(r"[A-Z]{3}:[0-4]", pair)]
    if wrong or not pairs:
        raise ValueError(f"{', '.join(wrong) or 'nothing'} is no currency with its digits; IRR:0,USD:2 is.")
    return {pair[:3]: int(pair[4]) for pair in pairs}


Currencies = Annotated[dict[str, int], NoDecode, BeforeValidator(read_currencies)]

POSTGRESQL = "postgresql"
SECRET_LENGTH = 32

LONGEST_DEADLINE_S = 70
"""What the ingress waits for an answer, less what a request that is broken off takes to be answered."""


class SettingsError(Exception):
    """The environment does not fit; the message says every fault, a sentence each."""


class ServiceSettings(BaseSettings):
    """What every service needs. A service subclasses it with `env_prefix="<SERVICE>_"` and its own fields.

    A field without a description fails the tests: descriptions are what docs/settings.md is made of.
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, frozen=True, validate_default=True)

    database_url: str = Field(
        description="Address of the service's own database: postgresql://user:password@host/database."
    )
    migration_database_url: str | None = Field(
        None, description="The same database as the role that may change tables; the service's own role by default."
    )
    pool_size: int = Field(10, ge=2, le=200, description="Connections to the database that one process keeps.")
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on.")

    mode: Literal["distributed", "embedded"] = common(
        "mode",
        "distributed",
        "`distributed`: a service a process, Kafka. `embedded`: all in one process (`peyvand run`).",
    )
    kafka_bootstrap_servers: str | None = common(
        "kafka_bootstrap_servers",
        None,
        "Kafka brokers as host:port, comma-separated. One of this and PEYVAND_BUS_DATABASE_URL is needed.",
    )
    kafka_prefix: str = common(
        "kafka_prefix",
        "",
        "Put before the names of topics and consumer groups, where several deployments share brokers.",
    )
    bus_database_url: str | None = common(
        "bus_database_url", None, "Database of the local bus, where there is no Kafka."
    )
    partitions: int = common("partitions", 12, "Partitions of each topic; never changed.", ge=1, le=1000)
    jwt_public_key: str | None = common(
        "jwt_public_key",
        None,
        "Public key (PEM, or a path to it) that tokens are verified with; or give PEYVAND_JWKS_URL.",
    )
    jwks_url: str | None = common("jwks_url", None, "Address of the identity provider's key set (JWKS).")
    jwt_issuer: str | None = common("jwt_issuer", None, "If set, the `iss` that tokens must carry.")
    jwt_audience: str | None = common("jwt_audience", None, "If set, the `aud` that tokens must carry.")
    secret_key: SecretStr | None = common(
        "secret_key",
        None,
        "At least 32 characters. Encrypts providers' secrets, signs links, hashes suppressed numbers.",
    )
    time_zone: str = common("time_zone", "Asia/Tehran", "Zone of periods, working hours and sending hours.")
    currencies: Currencies = common(
        "currencies",
        {"IRR": 0, "USD": 2},
        "Currencies that amounts may be in, with the digits after the point: IRR:0,USD:2.",
    )
    activity_days: int = common(
        "activity_days",
        90,
        "Days of 24 hours for which a purchase makes a customer active, for types and for figures alike.",
        ge=1,
        le=3650,
    )
    cors_origins: Words = common("cors_origins", (), "Origins whose pages may call the API, comma-separated.")
    trusted_proxies: Words = common(
        "trusted_proxies",
        (),
        "Addresses or networks of the ingress, comma-separated: its X-Forwarded-For says who calls.",
    )
    drain_s: float = common(
        "drain_s",
        0,
        "Seconds for which an API told to stop still answers, with readiness red; 5 behind an ingress.",
        ge=0,
        le=300,
    )
    max_request_bytes: int = common(
        "max_request_bytes", 16 * 1024 * 1024, "Largest body, of a bulk request; other JSON may have 512 KiB.", ge=1024
    )
    request_deadline_s: float = common(
        "request_deadline_s",
        30,
        "A request that is not answered after this many seconds is broken off with 503.",
        gt=0,
        le=LONGEST_DEADLINE_S,
    )
    bulk_deadline_s: float = common(
        "bulk_deadline_s",
        55,
        "The same for bulk requests. At most 70, as the ingress waits 75 s for an answer.",
        gt=0,
        le=LONGEST_DEADLINE_S,
    )
    body_deadline_s: float = common(
        "body_deadline_s",
        10,
        "Seconds that a caller may take to send a body, and one more for every 16 KiB; else 408.",
        gt=0,
    )
    requests_per_s: float = common(
        "requests_per_s",
        200,
        "Requests a second that one process takes from a token's subject, or a panel's webhook; 0: any.",
        ge=0,
    )
    requests_burst: int = common("requests_burst", 2_000, "How many of them may come at once.", ge=1)
    public_requests_per_s: float = common(
        "public_requests_per_s",
        50,
        "Requests a second that one process takes from an address at a path that needs no token; 0: any.",
        ge=0,
    )
    public_requests_burst: int = common("public_requests_burst", 500, "How many of them may come at once.", ge=1)
    old_sends_expire_s: float = common(
        "old_sends_expire_s",
        60,
        "After how long a send that was given up cannot arrive any more; the topics refuse older records.",
        gt=0,
    )
    stale_effect_hours: int = common(
        "stale_effect_hours",
        24,
        "What should have reached a person longer ago than this is skipped and recorded.",
        ge=1,
    )
    log_level: Literal["debug", "info", "warning", "error"] = common(
        "log_level", "info", "Least important level that is logged."
    )
    log_format: Literal["json", "text"] = common("log_format", "json", "One JSON object a line, or text for people.")

    @field_validator("database_url", "migration_database_url", "bus_database_url")
    @classmethod
    def _some_address(cls, value: str | None) -> str | None:
        try:
            driver = make_url(value).drivername if value is not None else POSTGRESQL
        except (ArgumentError, ValueError):
            driver = ""
        if driver != POSTGRESQL:
            raise ValueError("it is no address of a database; one is postgresql://user:password@host/database.")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; a name such as Asia/Tehran is.") from error
        return value

    @field_validator("bus_database_url")
    @classmethod
    def _some_bus(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and not info.data.get("kafka_bootstrap_servers"):
            raise ValueError("PEYVAND_KAFKA_BOOTSTRAP_SERVERS is missing: the brokers as host:port, comma-separated.")
        return value

    @field_validator("jwks_url")
    @classmethod
    def _some_keys(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and not info.data.get("jwt_public_key"):
            raise ValueError("PEYVAND_JWT_PUBLIC_KEY or PEYVAND_JWKS_URL is missing: nothing starts without keys.")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr:
        if value is None:
            raise ValueError("PEYVAND_SECRET_KEY is missing: at least 32 random characters.")
        if len(value.get_secret_value()) < SECRET_LENGTH:
            raise ValueError("PEYVAND_SECRET_KEY is too short: it needs at least 32 characters.")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """Return the deployment's time zone."""
        return ZoneInfo(self.time_zone)


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S], **given: Any) -> S:
    """Read `settings` from the environment, or raise `SettingsError` naming every variable at fault."""
    try:
        return settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(settings, fault) for fault in error.errors())) from None


def variable(settings: type[BaseSettings], field: str) -> str:
    """Return the environment variable that a field is read from."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def unread(environment: Iterable[str], *settings: type[BaseSettings]) -> list[str]:
    """Return the variables that are named as settings are, and are none: mistyped, or of another release."""
    known = {variable(each, field) for each in settings for field in each.model_fields}
    prefixes = ("PEYVAND_", *filter(None, (each.model_config.get("env_prefix") for each in settings)))
    return sorted(name for name in environment if name.upper().startswith(prefixes) and name.upper() not in known)


def _sentence(settings: type[ServiceSettings], fault: Any) -> str:
    reason = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return reason
    place = str(fault["loc"][0])
    field = next((name for name in settings.model_fields if place in (name, variable(settings, name))), place)
    name = variable(settings, field)
    description = settings.model_fields[field].description or ""
    if fault["type"] == "missing":
        return f"{name} is missing: {description}"
    return reason if reason.startswith("PEYVAND_") else f"{name} is wrong: {reason} ({description})"
