"""Settings of the messaging service."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.messaging.providers.addresses import LOOPBACK, Reach
from shared.settings import COMMA_SEPARATED, ServiceSettings, Words

PartUnits = Annotated[int, Field(ge=2, le=160)]


class Settings(ServiceSettings):
    """What the messaging service runs with, read from `MESSAGING_…`."""

    model_config = SettingsConfigDict(env_prefix="MESSAGING_")

    batch: int = Field(500, ge=1, le=5_000, description="Messages that one turn of a sender takes.")
    concurrent_calls: int = Field(4, ge=1, le=64, description="Calls to providers that one sender makes at once.")
    request_timeout_s: float = Field(10, gt=0, description="How long a provider may take to answer a request.")
    lease_s: float = Field(
        60, gt=0, description="After this long a message still being sent counts as unknown; three time-outs at least."
    )
    card_wait_s: float = Field(600, ge=0, description="How long a message waits for the contact card that it needs.")
    coupon_wait_s: float = Field(
        600, ge=0, description="How long an automation waits for a coupon before it goes on without."
    )
    promotional_per_day: int = Field(2, ge=0, description="Promotional messages a person gets in 24 hours at most.")
    promotional_per_week: int = Field(5, ge=0, description="Promotional messages a person gets in 7 days at most.")
    filtered_words: Words = Field(
        (), description="Words that no SMS may contain, comma-separated; panels refuse or delay texts with them."
    )
    links_allowed: bool = Field(default=True, description="Whether an SMS may hold a link; some panels refuse them.")
    longest_sms: int = Field(900, ge=70, description="Longest SMS in characters; most panels refuse more.")
    part_units: Annotated[tuple[PartUnits, PartUnits, PartUnits, PartUnits], NoDecode, COMMA_SEPARATED] = Field(
        (160, 153, 70, 67),
        description="What panels bill as a part, comma-separated: the only part and one of several in GSM-7, then in "
        "UCS-2, as Persian is sent. Some bill Persian from 66 on: `160,153,66,63`.",
    )
    opt_out_text: str = Field("لغو۱۱", description="What a promotional SMS must contain, in any digits.")
    reconcile_after_s: float = Field(
        3, ge=0, description="How long after an unanswered request the provider's reports are first searched for it."
    )
    reconcile_for_s: float = Field(
        90, ge=0, description="A message not found in the reports for this long was not accepted, and is sent again."
    )
    inbound_poll_s: float = Field(
        5, ge=0.2, description="Seconds between two fetches of what people wrote, from a panel that does not push it."
    )
    clock_skew_s: float = Field(5, ge=0, description="How far a provider's clock may be behind ours.")
    private_networks: Words = Field(
        (),
        description="Networks that are not public in which panels and mail servers may be, comma-separated "
        "(`10.1.0.0/16`); accounts that lead elsewhere inside are refused. Embedded, this host is always among them.",
    )
    unsubscribe_url: str = Field(
        "http://127.0.0.1:8000", description="Address of this service as people reach it; unsubscribe links begin so."
    )

    @model_validator(mode="after")
    def _answered_within_lease(self) -> Self:
        if self.lease_s < 3 * self.request_timeout_s:
            raise ValueError(
                "MESSAGING_LEASE_S is too short: it has to be three times MESSAGING_REQUEST_TIMEOUT_S at least."
            )
        return self

    @field_validator("private_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(f"{each!r} is no network; 10.1.0.0/16 is one.") from error
        return value

    @property
    def reach(self) -> Reach:
        """Return which addresses accounts may lead to."""
        named = [ip_network(each) for each in self.private_networks]
        return Reach([*named, *(LOOPBACK if self.mode == "embedded" else ())])
