"""The settings that decisions are made by, as the pure rules take them."""

from __future__ import annotations

from datetime import timedelta

from services.messaging.messages.decision import Limits
from services.messaging.messages.lint import LintRules
from services.messaging.settings import Settings


def lint_rules(settings: Settings) -> LintRules:
    """Return what an SMS must have and must not have."""
    return LintRules(
        settings.longest_sms,
        settings.opt_out_text,
        settings.filtered_words,
        settings.links_allowed,
        settings.part_units,
    )


def limits(settings: Settings) -> Limits:
    """Return what the decision chain decides by."""
    return Limits(
        per_day=settings.promotional_per_day,
        per_week=settings.promotional_per_week,
        card_wait=timedelta(seconds=settings.card_wait_s),
        lint=lint_rules(settings),
        zone=settings.zone,
    )
