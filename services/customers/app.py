"""What the customers service is made of."""

from __future__ import annotations

from pathlib import Path

from services.customers.classification.restating import restate_customers
from services.customers.clocks import clocks
from services.customers.consumers import consumer
from services.customers.coupons.api import router as coupons
from services.customers.customers.api import router as customers
from services.customers.customers.cards import read_cards
from services.customers.customers.erasing import erase_again
from services.customers.customers.merging import merge_again
from services.customers.people.models import Alias
from services.customers.purchases.api import router as purchases
from services.customers.settings import Settings
from services.customers.tickets.api import router as tickets
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.service import Service

SERVICE = Service(
    name="customers",
    title="Customers",
    description="Who buys, what they bought and what they are; their coupons and their complaints.",
    settings=Settings,
    metadata=Alias.metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=(customers, purchases, coupons, tickets),
    consumer=consumer,
    clocks=clocks,
    card_readers={CUSTOMERS_CONTACTS: read_cards},
    relearners={CustomerErased: erase_again, CustomerMerged: merge_again},
    restaters=(restate_customers,),
)
