"""The messaging service as the machinery sees it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

import services.messaging.contacts.models
import services.messaging.inbound.models
import services.messaging.messages.models
import services.messaging.suppressions.models  # noqa: F401  (tables that written SQL or the API alone uses)
from services.messaging.clocks import clocks
from services.messaging.consumers import consumer
from services.messaging.messages import relearning
from services.messaging.orm import metadata
from services.messaging.resources import open_gateways
from services.messaging.settings import Settings
from shared.service import Measure, Service

MEASURES = (
    Measure(
        "peyvand_messages_lately",
        "Messages written in the last five minutes, counted up to 10,000.",
        """SELECT count(*) FROM (
            SELECT FROM messages WHERE created_at > now() - interval '5 minutes' LIMIT 10000
        ) AS lately""",
    ),
    Measure(
        "peyvand_messages_late",
        "Messages that could be sent by now and are not, counted up to 10,000.",
        """SELECT count(*) FROM (
            SELECT FROM messages WHERE status IN ('queued', 'held') AND due_at < now() LIMIT 10000
        ) AS late""",
    ),
    Measure(
        "peyvand_messages_unknown",
        "Messages of which nobody knows yet whether the provider took them, counted up to 10,000.",
        """SELECT count(*) FROM (
            SELECT FROM messages WHERE status = 'unknown' AND ended_at IS NULL LIMIT 10000
        ) AS unknown""",
    ),
    Measure(
        "peyvand_messages_unsettled",
        "Messages that stay unknown until somebody settles them by hand, counted up to 10,000.",
        """SELECT count(*) FROM (
            SELECT FROM messages WHERE status = 'unknown' AND ended_at IS NOT NULL LIMIT 10000
        ) AS unsettled""",
    ),
    Measure(
        "peyvand_messages_failed_ratio",
        "Which part of the last 1,000 messages failed.",
        """SELECT coalesce(avg((status = 'failed')::int), 0) FROM (
            SELECT status FROM messages ORDER BY created_at DESC, id DESC LIMIT 1000
        ) AS latest""",
    ),
    Measure(
        "peyvand_providers_paused",
        "Provider accounts that are paused because the provider refused them.",
        "SELECT count(*) FROM provider_accounts WHERE active AND paused_reason IS NOT NULL",
    ),
)


def routers() -> tuple[APIRouter, ...]:
    """Load what answers requests."""
    from services.messaging.routers import ROUTERS  # noqa: PLC0415  (a worker answers none, and need not hold them)

    return ROUTERS


SERVICE = Service(
    name="messaging",
    title="Peyvand: messaging",
    description="Sends messages, decides whether they may be sent, and takes the answers.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=routers,
    consumer=consumer,
    clocks=clocks,
    resources=open_gateways,
    relearners=dict.fromkeys(relearning.TAKEN_OVER, relearning.take_over),
    measures=MEASURES,
)
