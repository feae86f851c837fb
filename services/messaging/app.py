"""The messaging service as the machinery sees it."""

from __future__ import annotations

from pathlib import Path

import services.messaging.contacts.models  # noqa: F401  (written SQL alone uses its tables)
from services.messaging.automations.api import router as automations
from services.messaging.clocks import clocks
from services.messaging.consumers import consumer
from services.messaging.inbound.api import router as inbound
from services.messaging.inbound.hooks_api import router as webhooks
from services.messaging.messages import relearning
from services.messaging.messages.api import router as messages
from services.messaging.orm import metadata
from services.messaging.providers.api import router as providers
from services.messaging.resources import open_gateways
from services.messaging.settings import Settings
from services.messaging.suppressions.api import router as suppressions
from services.messaging.suppressions.unsubscribe import router as unsubscribe
from services.messaging.templates.api import router as templates
from shared.service import Service

SERVICE = Service(
    name="messaging",
    title="Messaging",
    description="Sends messages, decides whether they may be sent, and takes the answers.",
    settings=Settings,
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=(messages, templates, automations, providers, suppressions, inbound, webhooks, unsubscribe),
    consumer=consumer,
    clocks=clocks,
    resources=open_gateways,
    relearners=dict.fromkeys(relearning.TAKEN_OVER, relearning.take_over),
)
