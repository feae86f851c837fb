"""Settings of the customers service (`CUSTOMERS_…`)."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.customers.classification.rules import Rules
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What can be set of the customers service; the windows are DOMAIN.md's."""

    model_config = SettingsConfigDict(env_prefix="CUSTOMERS_", extra="ignore", populate_by_name=True, frozen=True)

    new_days: int = Field(30, ge=1, description="Days for which a customer with one purchase is new.")
    regular_purchases: int = Field(4, ge=2, description="Purchases that make a customer regular.")
    regular_days: int = Field(365, ge=1, description="Days within which those purchases have to lie.")
    loyal_discounted_percent: int = Field(
        50, ge=0, le=100, description="Share of promotional discounts, in percent, up to which a regular is loyal."
    )
    discount_seeking_purchases: int = Field(
        2, ge=1, description="Purchases from which on a customer can be called discount-seeking."
    )
    discount_seeking_percent: int = Field(
        60, ge=1, le=100, description="Share of promotional discounts, in percent, that makes one discount-seeking."
    )

    @property
    def rules(self) -> Rules:
        """Return the rules that customers are classified by."""
        return Rules(
            new_for=timedelta(days=self.new_days),
            active_for=timedelta(days=self.activity_days),
            regular_purchases=self.regular_purchases,
            regular_within=timedelta(days=self.regular_days),
            loyal_discounted_percent=self.loyal_discounted_percent,
            discount_seeking_purchases=self.discount_seeking_purchases,
            discount_seeking_percent=self.discount_seeking_percent,
        )
