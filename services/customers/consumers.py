"""All that the customers service listens to."""

from __future__ import annotations

from services.customers.classification.consumers import consumer as classification
from services.customers.coupons.consumers import consumer as coupons
from services.customers.customers.consumers import consumer as customers
from services.customers.people.contacts import consumer as contacts
from services.customers.tickets.consumers import consumer as tickets
from shared.outbox.consumer import Consumer

consumer = Consumer("customers")
consumer.include(contacts, customers, classification, coupons, tickets)
