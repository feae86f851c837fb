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


def common(name: str) -> AliasChoices:
    """Name a setting that all services share: `PEYVAND_<NAME>` in the environment, `<name>` from code."""
    return AliasChoices(f"PEYVAND_{name.upper()}", name)


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

    mode: Literal["distributed", "embedded"] = Field(
        "distributed",
        validation_alias=common("mode"),
        description="`distributed`: a service a process, Kafka. `embedded`: all in one process (`peyvand run`).",
    )
    kafka_bootstrap_servers: str | None = Field(
        None,
        validation_alias=common("kafka_bootstrap_servers"),
        description="Kafka brokers as host:port, comma-separated. One of this and PEYVAND_BUS_DATABASE_URL is needed.",
    )
    kafka_prefix: str = Field(
        "",
        validation_alias=common("kafka_prefix"),
        description="Put before the names of topics and consumer groups, where several deployments share brokers.",
    )
    bus_database_url: str | None = Field(
        None,
        validation_alias=common("bus_database_url"),
        description="Database of the local bus, where there is no Kafka.",
    )
    partitions: int = Field(
        12, ge=1, le=1000, validation_alias=common("partitions"), description="Partitions of each topic; never changed."
    )
    jwt_public_key: str | None = Field(
        None,
        validation_alias=common("jwt_public_key"),
        description="Public key (PEM, or a path to it) that tokens are verified with; or give PEYVAND_JWKS_URL.",
    )
    jwks_url: str | None = Field(
        None, validation_alias=common("jwks_url"), description="Address of the identity provider's key set (JWKS)."
    )
    jwt_issuer: str | None = Field(
        None, validation_alias=common("jwt_issuer"), description="If set, the `iss` that tokens must carry."
    )
    jwt_audience: str | None = Field(
        None, validation_alias=common("jwt_audience"), description="If set, the `aud` that tokens must carry."
    )
    secret_key: SecretStr | None = Field(
        None,
        validation_alias=common("secret_key"),
        description="At least 32 characters. Encrypts providers' secrets, signs links, hashes suppressed numbers.",
    )
    time_zone: str = Field(
        "Asia/Tehran",
        validation_alias=common("time_zone"),
        description="Zone of periods, working hours and sending hours.",
    )
    currencies: Currencies = Field(
        {"IRR": 0, "USD": 2},
        validation_alias=common("currencies"),
        description="Currencies that amounts may be in, with the digits after the point: IRR:0,USD:2.",
    )
    activity_days: int = Field(
        90,
        ge=1,
        le=3650,
        validation_alias=common("activity_days"),
        description="Days of 24 hours for which a purchase makes a customer active, for types and for figures alike.",
    )
    cors_origins: Words = Field(
        (),
        validation_alias=common("cors_origins"),
        description="Origins whose pages may call the API, comma-separated.",
    )
    trusted_proxies: Words = Field(
        (),
        validation_alias=common("trusted_proxies"),
        description="Addresses or networks of the ingress, comma-separated: its X-Forwarded-For says who calls.",
    )
    drain_s: float = Field(
        0,
        ge=0,
        le=300,
        validation_alias=common("drain_s"),
        description="Seconds for which an API told to stop still answers, with readiness red; 5 behind an ingress.",
    )
    max_request_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, validation_alias=common("max_request_bytes"), description="Largest request body."
    )
    request_deadline_s: float = Field(
        30,
        gt=0,
        le=LONGEST_DEADLINE_S,
        validation_alias=common("request_deadline_s"),
        description="A request that is not answered after this many seconds is broken off with 503.",
    )
    bulk_deadline_s: float = Field(
        55,
        gt=0,
        le=LONGEST_DEADLINE_S,
        validation_alias=common("bulk_deadline_s"),
        description="The same for bulk requests. At most 70, as the ingress waits 75 s for an answer.",
    )
    body_deadline_s: float = Field(
        10,
        gt=0,
        validation_alias=common("body_deadline_s"),
        description="Seconds that a caller may take to send a body, and one more for every 16 KiB; else 408.",
    )
    requests_per_s: float = Field(
        200,
        ge=0,
        validation_alias=common("requests_per_s"),
        description="Requests a second that one process takes from a token's subject, or a panel's webhook; 0: any.",
    )
    requests_burst: int = Field(
        2_000,
        ge=1,
        validation_alias=common("requests_burst"),
        description="How many of them may come at once.",
    )
    public_requests_per_s: float = Field(
        50,
        ge=0,
        validation_alias=common("public_requests_per_s"),
        description="Requests a second that one process takes from an address at a path that needs no token; 0: any.",
    )
    public_requests_burst: int = Field(
        500,
        ge=1,
        validation_alias=common("public_requests_burst"),
        description="How many of them may come at once.",
    )
    old_sends_expire_s: float = Field(
        60,
        gt=0,
        validation_alias=common("old_sends_expire_s"),
        description="After how long a send that was given up cannot arrive any more; the topics refuse older records.",
    )
    stale_effect_hours: int = Field(
        24,
        ge=1,
        validation_alias=common("stale_effect_hours"),
        description="What should have reached a person longer ago than this is skipped and recorded.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias=common("log_level"), description="Least important level that is logged."
    )
    log_format: Literal["json", "text"] = Field(
        "json", validation_alias=common("log_format"), description="One JSON object a line, or text for people."
    )

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
