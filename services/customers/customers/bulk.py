"""Customers in bulk: read item by item, admitted in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.bulk_answers import Outcome, answer, refused, refused_by
from services.customers.customers.opening import Draft, admit
from services.customers.customers.profile import Fields
from services.customers.fields import birth_day
from services.customers.purchases.items import FilledCode, Name
from shared.clock import utcnow
from shared.errors import FieldError, Invalid
from shared.instants import past_instant
from shared.persian.calendar import from_jalali
from shared.persian.email_address import LONGEST, email_address
from shared.persian.phone import any_phone
from shared.persian.text import clean
from shared.web.bulk import ItemError, read_items

T = TypeVar("T")


class CustomerItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer as another system knows them. What is left out, or null, stays as it is."""

    source: FilledCode | None = None
    external_id: Name | None = None
    kind: Literal["person", "group", "organisation"] | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    phones: Annotated[list[str], msgspec.Meta(max_length=10)] = []
    shared_phones: Annotated[list[str], msgspec.Meta(max_length=10)] = []
    emails: Annotated[list[Annotated[str, msgspec.Meta(max_length=LONGEST)]], msgspec.Meta(max_length=10)] = []
    locale: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$(?!\n)")] | None = None
    province: FilledCode | None = None
    city: Name | None = None
    birth_date: date | None = None
    birth_date_jalali: str | None = None
    gender: Literal["female", "male", "other"] | None = None
    accepts_service: bool | None = None
    accepts_promotional: bool | None = None
    consent_source: FilledCode | None = None
    consent_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


EXAMPLE: Final = {
    "items": [
        {
            "source": "shop",
            "external_id": "C-1042",
            "first_name": "سارا",
            "last_name": "نمونه",
            "phones": ["۰۹۹۹ ۰۰۰ ۱۲۳۴"],
            "province": "tehran",
        }
    ]
}
REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": EXAMPLE},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}
PLAIN: Final = ("kind", "locale", "province", "gender", "accepts_service", "accepts_promotional", "consent_source")


async def import_customers(request: Request, tx: AsyncSession) -> Response:
    """Admit the items of a request that fit, and answer for each."""
    items = await read_items(request, CustomerItem)
    drafts = await asyncio.to_thread(_drafts, items)
    await admit(tx, [draft for draft in drafts if isinstance(draft, Draft)], at=utcnow())
    return answer(request, [_outcome(index, draft) for index, draft in enumerate(drafts)])


def _drafts(items: list[CustomerItem | ItemError]) -> list[Draft | ItemError]:
    return [item if isinstance(item, ItemError) else _draft(index, item) for index, item in enumerate(items)]


def _outcome(index: int, draft: Draft | ItemError) -> Outcome:
    if isinstance(draft, ItemError):
        return refused(index, draft.errors)
    if draft.refusal is not None:
        return refused_by(index, draft.refusal)
    return Outcome(index, draft.status or "unchanged", draft.person_id)


def _draft(index: int, item: CustomerItem) -> Draft | ItemError:
    faults: list[FieldError] = list(_faults(item))
    phones = [_read(faults, f"/phones/{place}", any_phone, phone) for place, phone in enumerate(item.phones)]
    shared = [
        _read(faults, f"/shared_phones/{place}", any_phone, each) for place, each in enumerate(item.shared_phones)
    ]
    fields = _fields(item, faults)
    if faults:
        return ItemError(index, tuple(faults))
    return Draft(
        origin="import",
        fields=fields,
        at_opening={"source": item.source},
        phones=tuple(dict.fromkeys(phones)),
        shared_phones=tuple(dict.fromkeys(shared)),
        external_id=(item.source, item.external_id) if item.source and item.external_id else None,
        must_be_known_by_phone=item.external_id is None,
    )


def _faults(item: CustomerItem) -> Iterator[FieldError]:
    if item.external_id is not None and item.source is None:
        yield FieldError(
            "/source",
            "missing",
            "Say which system calls the customer so, such as shop.",
            fa="بنویسید کدام سامانه مشتری را چنین می‌نامد؛ مانند shop.",
        )
    if item.external_id is None and not item.phones:
        yield FieldError(
            "/external_id",
            "missing",
            "Give an external id or a number, so that a repeat is harmless.",
            fa="شناسهٔ بیرونی یا شماره‌ای بدهید تا تکرار درخواست بی‌زیان باشد.",
        )
    if item.birth_date is not None and item.birth_date_jalali is not None and _differ(item):
        yield FieldError(
            "/birth_date_jalali",
            "given_twice",
            "It is not the day in birth_date; give one of the two.",
            fa="این همان روز birth_date نیست؛ تنها یکی از دو را بفرستید.",
        )


def _differ(item: CustomerItem) -> bool:
    """Tell whether the birth dates of both calendars are two days; one that is none is refused by itself."""
    try:
        return from_jalali(item.birth_date_jalali or "") != item.birth_date
    except Invalid:
        return False


def _fields(item: CustomerItem, faults: list[FieldError]) -> Fields:
    fields: Fields = {name: value for name in PLAIN if (value := getattr(item, name)) is not None}
    for name in ("first_name", "last_name", "city"):
        value = getattr(item, name)
        if value is not None:
            fields[name] = _read(faults, f"/{name}", clean, value) or None
    if item.emails:
        read = (_read(faults, f"/emails/{place}", email_address, each) for place, each in enumerate(item.emails))
        fields["emails"] = list(dict.fromkeys(read))
    if item.consent_at is not None:
        fields["consent_at"] = _read(faults, "/consent_at", past_instant, item.consent_at)
    if item.birth_date is not None:
        day = _read(faults, "/birth_date", birth_day, item.birth_date)
        fields |= {"birth_date": day, "birth_calendar": "gregorian"}
    if item.birth_date_jalali is not None:
        day = _read(faults, "/birth_date_jalali", lambda text: birth_day(from_jalali(text)), item.birth_date_jalali)
        fields |= {"birth_date": day, "birth_calendar": "jalali"}
    return fields


def _read(faults: list[FieldError], pointer: str, reader: Callable[[T], Any], given: T) -> Any:
    """Return what `reader` makes of a value; what it refuses is noted for its field."""
    try:
        return reader(given)
    except Invalid as error:
        faults.append(FieldError(pointer, error.code, error.detail, fa=error.detail_fa))
        return None
