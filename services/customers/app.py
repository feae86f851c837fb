"""What the customers service is made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

import services.customers.customers.models
import services.customers.purchases.models  # noqa: F401  (tables that written SQL or the API alone uses)
from services.customers.classification.restating import restate_customers
from services.customers.clocks import clocks
from services.customers.consumers import consumer
from services.customers.customers.cards import read_cards
from services.customers.customers.erasing import erase_again
from services.customers.customers.merging import merge_again
from services.customers.people.models import Alias
from services.customers.settings import Settings
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.service import Service


def routers() -> tuple[APIRouter, ...]:
    """Load what answers requests."""
    from services.customers.routers import ROUTERS  # noqa: PLC0415  (a worker answers none, and need not hold them)

    return ROUTERS


SERVICE = Service(
    name="customers",
    title="Peyvand: customers",
    description="Who buys, what they bought and what they are; their coupons and their complaints.",
    settings=Settings,
    metadata=Alias.metadata,
    migrations=Path(__file__).parent / "migrations",
    routers=routers,
    consumer=consumer,
    clocks=clocks,
    card_readers={CUSTOMERS_CONTACTS: read_cards},
    relearners={CustomerErased: erase_again, CustomerMerged: merge_again},
    restaters=(restate_customers,),
)
