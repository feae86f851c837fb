"""What messaging does with the events that it hears."""

from __future__ import annotations

from services.messaging.automations.consumers import consumer as automations
from services.messaging.contacts.consumers import consumer as contacts
from shared.outbox.consumer import Consumer

consumer = Consumer("messaging")
consumer.include(contacts, automations)
