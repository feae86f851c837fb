"""Profiles as the API takes and gives them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.customers.examples import (
    BULK,
    CALLER,
    CALLERS,
    CUSTOMER,
    CUSTOMER_CREATE,
    CUSTOMER_PATCH,
    PERSON_ID,
    page,
    shown,
)
from services.customers.fields import (
    BirthDate,
    ExternalName,
    JalaliBirthDate,
    ShortText,
    TimeZone,
)
from shared.contracts.customers import CustomerType, LifecycleStage
from shared.persian.calendar import from_jalali
from shared.persian.email_address import Email
from shared.persian.phone import Phone
from shared.web import Page
from shared.web.fields import Code, Flag, PastInstant

HandType = Literal["internal", "intermediary"]

NEEDED: Final = ("locale", "time_zone", "accepts_service", "accepts_promotional", "kind")
"""What always has a value: a PATCH cannot take it away."""


class ExternalIdOut(BaseModel):
    """What another system calls the customer."""

    source: Code = Field(examples=["shop"])
    external_id: ExternalName = Field(examples=["C-1042"])


class Profile(BaseModel):
    """What is kept of a customer. A birth date is given in one calendar, and kept in it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["person", "group", "organisation"] | None = None
    first_name: ShortText | None = Field(None, examples=["سارا"])
    last_name: ShortText | None = Field(None, examples=["نمونه"])
    phones: list[Phone] | None = Field(None, max_length=10, examples=[["۰۹۹۹ ۰۰۰ ۱۲۳۴"]])
    shared_phones: list[Phone] | None = Field(
        None, max_length=10, description="Numbers that others use too, such as a family's.", examples=[[]]
    )
    emails: list[Email] | None = Field(None, max_length=10, examples=[["sara@example.com"]])
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")] | None = Field(None, examples=["fa"])
    time_zone: TimeZone | None = Field(None, examples=["Asia/Tehran"])
    province: Code | None = Field(None, description="A code, which figures are split by.", examples=["tehran"])
    city: ShortText | None = Field(None, examples=["تهران"])
    birth_date: BirthDate | None = Field(None, description="Gregorian.", examples=[None])
    birth_date_jalali: JalaliBirthDate | None = Field(None, examples=["1369-02-22"])
    gender: Literal["female", "male", "other"] | None = None
    accepts_service: Flag | None = Field(None, description="False: no service messages either.")
    accepts_promotional: Flag | None = Field(None, description="True needs the customer's yes.")
    consent_source: Code | None = Field(None, description="Where they said so.", examples=["web_form"])
    consent_at: PastInstant | None = None
    hand_types: list[HandType] | None = Field(None, description="Types that cannot be computed.", examples=[[]])

    @model_validator(mode="after")
    def _one_birth_date(self) -> Self:
        jalali = self.birth_date_jalali
        if jalali is not None and self.birth_date is not None and from_jalali(jalali) != self.birth_date:
            raise ValueError(
                f"birth_date_jalali {jalali} is {from_jalali(jalali)}, not {self.birth_date}; give one of the two."
            )
        missing = [name for name in NEEDED if name in self.model_fields_set and getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} cannot be null; leave out what shall stay as it is.")
        return self

    def columns(self) -> dict[str, Any]:
        """Return the columns that were given; numbers and external ids apart."""
        apart = {"phones", "shared_phones", "birth_date", "birth_date_jalali", "external_id", "source"}
        fields = {name: getattr(self, name) for name in self.model_fields_set - apart}
        for name in ("emails", "hand_types"):
            if name in fields:
                fields[name] = list(dict.fromkeys(fields[name] or []))
        if self.model_fields_set & {"birth_date", "birth_date_jalali"}:
            fields |= self._birthday()
        return fields

    def _birthday(self) -> dict[str, Any]:
        if self.birth_date_jalali is not None:
            return {"birth_date": from_jalali(self.birth_date_jalali), "birth_calendar": "jalali"}
        return {"birth_date": self.birth_date, "birth_calendar": "gregorian" if self.birth_date else None}


class CustomerCreate(Profile):
    """A customer to be opened."""

    model_config = ConfigDict(json_schema_extra=shown(CUSTOMER_CREATE))

    source: Code | None = Field(None, description="The system or channel that they come from.", examples=["shop"])
    external_id: ExternalName | None = Field(None, description="What `source` calls them.", examples=["C-1042"])

    @model_validator(mode="after")
    def _named_by_somebody(self) -> Self:
        if self.external_id is not None and self.source is None:
            raise ValueError("external_id needs source: say which system calls the customer so")
        return self


class CustomerPatch(Profile):
    """What shall change. `phones` and `shared_phones` replace the lists; null takes a value away."""

    model_config = ConfigDict(json_schema_extra=shown(CUSTOMER_PATCH))


class CustomerOut(BaseModel):
    """A customer. Names, numbers and addresses are masked without the scope `pii:read`."""

    model_config = ConfigDict(json_schema_extra=shown(CUSTOMER))

    id: UUID = Field(description="The person's id, in all services.")
    kind: Literal["person", "group", "organisation"]
    origin: Literal["conversion", "api", "import", "purchase"]
    lead_id: UUID | None = None
    source: str | None = None
    first_name: str | None = Field(None, examples=["سارا"])
    last_name: str | None = Field(None, examples=["نمونه"])
    phones: list[str] = Field(examples=[["+989990001234"]])
    shared_phones: list[str] = Field(default_factory=list)
    emails: list[str] = Field(default_factory=list)
    locale: str = "fa"
    time_zone: str = "Asia/Tehran"
    province: str | None = Field(None, examples=["tehran"])
    city: str | None = Field(None, examples=["تهران"])
    birth_date: date | None = Field(None, examples=["1990-05-12"])
    birth_date_jalali: str | None = Field(None, examples=["1369-02-22"])
    birth_calendar: Literal["gregorian", "jalali"] | None = Field(None, description="The calendar it was given in.")
    gender: Literal["female", "male", "other"] | None = None
    accepts_service: bool = True
    accepts_promotional: bool = False
    consent_source: str | None = None
    consent_at: datetime | None = None
    hand_types: list[HandType] = Field(default_factory=list)
    types: list[CustomerType] = Field(examples=[["actual", "new"]])
    type_reasons: dict[str, str] = Field(
        default_factory=dict, examples=[{"actual": "has_purchased", "new": "one_purchase_within_30_days"}]
    )
    stage: LifecycleStage = Field(examples=["conversion"])
    stage_reason: str = Field(examples=["first_purchase"])
    external_ids: list[ExternalIdOut] = Field(default_factory=list)
    alias_ids: list[UUID] = Field(default_factory=list, description="Ids that were merged into this one.")
    version: int = Field(examples=[1])
    created_at: datetime
    updated_at: datetime


class CustomerPage(Page[CustomerOut]):
    """A page of customers."""

    model_config = ConfigDict(json_schema_extra=page(CUSTOMER))


class MergeIn(BaseModel):
    """The customer whose id shall become an alias of the one in the path."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=shown({"merged_id": PERSON_ID}))

    merged_id: UUID


class RecentPurchase(BaseModel):
    """A purchase in short."""

    id: UUID
    occurred_at: datetime
    amount_minor: int
    discount_minor: int
    refunded_minor: int
    currency: str
    status: Literal["recorded", "cancelled"]
    products: list[str]


class OpenTicket(BaseModel):
    """An open ticket in short."""

    id: UUID
    kind: str
    priority: str
    status: str
    subject: str | None
    product: str | None
    for_manager: bool
    agent_id: UUID | None
    opened_at: datetime


class Caller(CustomerOut):
    """A customer who may be calling, with what the agent should know."""

    model_config = ConfigDict(json_schema_extra=shown(CALLER))

    last_purchases: list[RecentPurchase]
    open_tickets: list[OpenTicket]


class Callers(BaseModel):
    """Who a number belongs to: nobody, one, or several where it is shared."""

    model_config = ConfigDict(json_schema_extra=shown(CALLERS))

    phone: str = Field(examples=["+989990001234"])
    items: list[Caller]
    lead_person_id: UUID | None = Field(
        None, description="The person of a lead with this number, where no customer has it: ask the leads service."
    )


class BulkOutcome(BaseModel):
    """What came of one item."""

    index: int = Field(description="Place of the item in the request, from 0.")
    status: Literal["created", "updated", "unchanged", "error"]
    id: UUID | None = None
    errors: list[dict[str, str]] = Field(default_factory=list)


class BulkOut(BaseModel):
    """What came of a bulk request, in the order of its items."""

    model_config = ConfigDict(json_schema_extra=shown(BULK))

    created: int
    updated: int
    unchanged: int
    errors: int
    results: list[BulkOutcome]
