"""What metrics listens to: facts only, from all services. It keeps no contact cards and no personal data.

`customer.erased` needs nothing here: what is kept of an erased person is the counts they are part of, under an id
that names nobody any more.
"""

from __future__ import annotations

from services.metrics.facts import leads, purchases, surveys, withdrawals
from shared.outbox.consumer import Consumer

consumer = Consumer("metrics")
consumer.include(purchases.consumer, leads.consumer, surveys.consumer, withdrawals.consumer)
