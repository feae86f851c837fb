"""What the API of the messaging service answers, in the order of its description."""

from __future__ import annotations

from services.messaging.automations.api import router as automations
from services.messaging.inbound.api import router as inbound
from services.messaging.inbound.hooks_api import router as webhooks
from services.messaging.messages.api import router as messages
from services.messaging.providers.api import router as providers
from services.messaging.suppressions.api import router as suppressions
from services.messaging.suppressions.unsubscribe import router as unsubscribe
from services.messaging.templates.api import router as templates

ROUTERS = (messages, templates, automations, providers, suppressions, inbound, webhooks, unsubscribe)
