"""Made-up people, and the facts and cards of them that other services publish."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.clock import utcnow
from shared.contracts.cards import ContactCard
from shared.contracts.customers import PurchaseLine, PurchaseRecorded
from shared.contracts.leads import LeadCaptured
from shared.ids import new_id

SARA_PHONE = "+989990001234"


def card(person_id: UUID | None = None, **fields: Any) -> ContactCard:
    """Return the card of a lead; «سارا نمونه» unless said otherwise."""
    given: dict[str, Any] = {
        "kind": "lead",
        "first_name": "سارا",
        "last_name": "نمونه",
        "phones": (SARA_PHONE,),
    } | fields
    return ContactCard(person_id=person_id or new_id(), **given)


def captured(person_id: UUID, at: datetime | None = None, **fields: Any) -> LeadCaptured:
    """Return the fact that a person left their number on the website."""
    given: dict[str, Any] = {"source": "website", "lead_id": new_id()} | fields
    return LeadCaptured(occurred_at=at or utcnow(), person_id=person_id, **given)


def purchase(person_id: UUID, at: datetime | None = None, product: str = "tea") -> PurchaseRecorded:
    """Return the fact that a person bought something."""
    return PurchaseRecorded(
        occurred_at=at or utcnow(),
        purchase_id=new_id(),
        person_id=person_id,
        amount_minor=1_000_000,
        lines=(PurchaseLine(product=product, amount_minor=1_000_000),),
    )
