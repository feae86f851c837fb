"""What the API takes and gives about leads."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.leads.fields import CodeText, MobileAsTyped, Name, Note
from services.leads.leads.models import Lead
from services.leads.leads.records import NewLead
from services.leads.leads.response import By, Direction
from services.leads.leads.rules import Awareness, FunnelStage, Kind, LeadStatus, Reason
from services.leads.leads.touches import Touch, TouchKind
from services.leads.persons.models import Person
from services.leads.persons.records import NewPerson
from shared.contracts.leads import Channel, LeadSource
from shared.persian.email_address import Email
from shared.web import Page, Principal
from shared.web.fields import Currency, Flag, Money, PastInstant, not_null
from shared.web.masking import mask_email, mask_name, mask_phone

LEAD_ID = "0193a1c0-7d00-7000-8000-000000000001"
EXAMPLE: dict[str, Any] = {
    "first_name": "سارا",
    "last_name": "نمونه",
    "phone": "۰۹۹۹ ۰۰۰ ۱۲ ۳۴",
    "source": "website",
    "campaign": "yalda-1405",
    "product": "crm-basic",
    "awareness": "comparing",
    "expected_amount_minor": 25_000_000,
    "note": "لطفاً بعدازظهر تماس بگیرید.",
}
EXAMPLE_OUT: dict[str, Any] = {
    "id": LEAD_ID,
    "person_id": "0193a1c0-7d00-7000-8000-000000000002",
    "status": "new",
    "funnel_stage": "awareness",
    "kind": "new",
    "source": "website",
    "direction": "inbound",
    "awareness": "comparing",
    "campaign": "yalda-1405",
    "product": "crm-basic",
    "cost_minor": None,
    "expected_amount_minor": 25_000_000,
    "currency": "IRR",
    "note": "لطفاً بعدازظهر تماس بگیرید.",
    "first_name": "سارا",
    "last_name": "نمونه",
    "phone": "+989990001234",
    "phone_typed": "۰۹۹۹ ۰۰۰ ۱۲ ۳۴",
    "email": None,
    "province": None,
    "city": None,
    "agent_id": "0193a1c0-7d00-7000-8000-00000000000a",
    "captured_at": "2026-11-22T06:00:00Z",
    "recaptures": 0,
    "question_asked_at": "2026-11-22T06:00:00Z",
    "response_due_at": "2026-11-22T06:05:00Z",
    "overdue": False,
    "answered_at": None,
    "response_s": None,
    "answered_in_time": None,
    "qualified_at": None,
    "converted_at": None,
    "converted_by": None,
    "disqualified_at": None,
    "reason": None,
    "competitor": None,
    "merged_into": None,
    "referrer_person_id": None,
    "possible_duplicate_of": None,
    "version": 1,
    "updated_at": "2026-11-22T06:00:00Z",
}
TOUCH_EXAMPLE: dict[str, Any] = {"direction": "outbound", "channel": "call", "reached": True, "note": "مشتاق خرید است."}
TOUCH_EXAMPLE_OUT: dict[str, Any] = TOUCH_EXAMPLE | {
    "id": "0193a1c0-7d00-7000-8000-000000000003",
    "lead_id": LEAD_ID,
    "kind": "touch",
    "by": "human",
    "agent_id": "0193a1c0-7d00-7000-8000-00000000000a",
    "source": None,
    "campaign": None,
    "asks": False,
    "answers": True,
    "question_asked_at": "2026-11-22T06:00:00Z",
    "response_due_at": "2026-11-22T06:05:00Z",
    "response_s": 120,
    "in_time": True,
    "occurred_at": "2026-11-22T06:02:00Z",
    "recorded_at": "2026-11-22T06:02:00Z",
}


MONEY = frozenset({"cost_minor", "expected_amount_minor", "currency"})
"""What tells of money; a lead that says nothing of these needs no currency that is configured."""


class LeadCreate(BaseModel):
    """Who may buy, as they or somebody else typed it. A phone number or an email address is needed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    first_name: Name | None = None
    last_name: Name | None = None
    phone: MobileAsTyped | None = None
    email: Email | None = None
    province: CodeText | None = Field(None, description="Code of the province.")
    city: Name | None = None
    source: LeadSource = "other"
    direction: Direction = Field("inbound", description="`inbound`: came by itself. `outbound`: found by us.")
    kind: Kind | None = Field(None, description="`returning` for a customer and `new` for anybody else, if left out.")
    awareness: Awareness | None = None
    campaign: CodeText | None = None
    product: CodeText | None = Field(None, description="One open lead a person and product.")
    cost_minor: Money | None = Field(None, description="What this capture cost.")
    expected_amount_minor: Money | None = None
    currency: Currency = Field("IRR", description="Of both amounts; one of those that are configured.")
    note: Note | None = None
    referrer_person_id: UUID | None = None
    accepts_promotional: Flag = Field(default=False, description="They said yes to promotional messages.")


class LeadPatch(BaseModel):
    """What is to change; fields left out stay as they are, null empties."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"expected_amount_minor": 30_000_000, "awareness": "comparing"}]},
    )

    first_name: Name | None = None
    last_name: Name | None = None
    province: CodeText | None = None
    city: Name | None = None
    kind: Kind | None = None
    awareness: Awareness | None = None
    campaign: CodeText | None = None
    product: CodeText | None = None
    cost_minor: Money | None = None
    expected_amount_minor: Money | None = None
    currency: Currency | None = None
    note: Note | None = None
    agent_id: UUID | None = Field(None, description="Hands the lead to this agent.")

    _given = field_validator("kind", "currency", "agent_id")(not_null)


class LeadOut(BaseModel):
    """A lead with its person. Names, numbers and notes are masked for tokens without `pii:read`."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE_OUT]})

    id: UUID
    person_id: UUID
    status: LeadStatus
    funnel_stage: FunnelStage
    kind: Kind
    source: LeadSource
    direction: Direction
    awareness: Awareness | None
    campaign: str | None
    product: str | None
    cost_minor: int | None
    expected_amount_minor: int | None
    currency: str
    note: str | None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = Field(None, description="E.164.")
    phone_typed: str | None = Field(None, description="The number as it was typed.")
    email: str | None = None
    province: str | None = None
    city: str | None = None
    agent_id: UUID | None
    captured_at: datetime
    recaptures: int
    question_asked_at: datetime | None = Field(
        description="When what waits for an answer was asked; null: nothing does."
    )
    response_due_at: datetime | None = Field(description="By when it is to be answered.")
    overdue: bool
    answered_at: datetime | None = Field(description="When it was first answered.")
    response_s: int | None = Field(description="Working seconds that the first answer took.")
    answered_in_time: bool | None
    qualified_at: datetime | None
    converted_at: datetime | None
    converted_by: str | None
    disqualified_at: datetime | None
    reason: Reason | None = Field(description="Why it was disqualified.")
    competitor: str | None
    merged_into: UUID | None = Field(description="The lead of the same person that this one goes on as.")
    referrer_person_id: UUID | None
    possible_duplicate_of: UUID | None = Field(description="A person with the same address and another number.")
    version: int
    updated_at: datetime

    @classmethod
    def shown_to(cls, principal: Principal, lead: Lead, person: Person) -> Self:
        """Show a lead as far as the principal may see it."""
        shown = cls.model_validate(lead)
        shown.province, shown.city = person.province, person.city
        shown.first_name, shown.last_name, shown.email = person.first_name, person.last_name, person.email
        shown.phone, shown.phone_typed = person.phone, person.phone_typed
        if not principal.sees_personal_data:
            shown.mask()
        return shown

    def mask(self) -> None:
        """Leave of the person what a token without `pii:read` may see."""
        self.first_name, self.last_name = mask_name(self.first_name), mask_name(self.last_name)
        self.phone, self.phone_typed = mask_phone(self.phone), None
        self.email, self.note = mask_email(self.email), None


LEAD_FIELDS = tuple(LeadOut.model_fields)
OF_PERSON = ("first_name", "last_name", "phone", "phone_typed", "email", "province", "city")


def mask_listed(lead: dict[str, Any]) -> None:
    """Leave of a lead's values what a token without `pii:read` may see, as `LeadOut.mask` does."""
    lead["first_name"], lead["last_name"] = mask_name(lead["first_name"]), mask_name(lead["last_name"])
    lead["phone"], lead["phone_typed"] = mask_phone(lead["phone"]), None
    lead["email"], lead["note"] = mask_email(lead["email"]), None


class CaptureOut(LeadOut):
    """The lead that a capture led to: a new one, or the open one that the person already had."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [EXAMPLE_OUT | {"recaptured": False}]}
    )

    recaptured: bool = Field(
        default=False, description="The person had this lead already; this is another touch of it."
    )


_OF_LEAD = tuple(name for name in LEAD_FIELDS if name not in OF_PERSON)
_lead_values, _person_values = attrgetter(*_OF_LEAD), attrgetter(*OF_PERSON)


def shown(lead: Lead | NewLead, person: Person | NewPerson) -> dict[str, Any]:
    """Return what `LeadOut` shows of a lead, as values for `answer_of`."""
    return dict(zip((*_OF_LEAD, *OF_PERSON), (*_lead_values(lead), *_person_values(person)), strict=True))


class LeadPage(Page[LeadOut]):
    """A page of leads."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_OUT], "next_cursor": None}]})


class TouchCreate(BaseModel):
    """Somebody spoke to the lead, or tried to, or it to us."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [TOUCH_EXAMPLE]})

    direction: Direction = "outbound"
    channel: Channel
    by: By | None = Field(None, description="`human` or `automatic` outbound, `person` inbound.")
    agent_id: UUID | None = Field(None, description="Who it was; the token's agent, else the lead's, if left out.")
    reached: Flag = Field(default=True, description="False for a call that was not taken.")
    note: Note | None = None
    occurred_at: PastInstant | None = Field(None, description="Now, if left out. Response times count from recording.")


class TouchOut(BaseModel):
    """An entry of a lead's timeline."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [TOUCH_EXAMPLE_OUT]})

    id: UUID
    lead_id: UUID
    kind: TouchKind
    direction: Direction
    channel: Channel
    by: By
    agent_id: UUID | None
    reached: bool
    source: LeadSource | None
    campaign: str | None
    note: str | None
    asks: bool
    answers: bool
    question_asked_at: datetime | None
    response_due_at: datetime | None
    response_s: int | None
    in_time: bool | None
    occurred_at: datetime
    recorded_at: datetime

    @classmethod
    def shown_to(cls, principal: Principal, touch: Touch) -> Self:
        """Show a touch; notes are left out for who may not see personal data."""
        shown = cls.model_validate(touch)
        if not principal.sees_personal_data:
            shown.note = None
        return shown


class TouchPage(Page[TouchOut]):
    """A page of a lead's timeline."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [TOUCH_EXAMPLE_OUT], "next_cursor": None}]})


class Disqualification(BaseModel):
    """Why nothing comes of a lead."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "competitor", "competitor": "other-crm"}]}
    )

    reason: Reason
    competitor: CodeText | None = Field(None, description="Which one; with the reason `competitor` only.")
