"""What is kept of a person, as columns: read from a lead's card, filled in, and told apart when it changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from shared.contracts.cards import ContactCard
from shared.persian.calendar import to_gregorian
from shared.persian.text import fold

Origin = Literal["conversion", "api", "import", "purchase"]
Fields = dict[str, Any]
"""Columns of a profile by name; only those that are known."""

EMPTY: Final[Mapping[str, Any]] = {
    "kind": "person",
    "lead_id": None,
    "source": None,
    "first_name": None,
    "last_name": None,
    "name_key": None,
    "emails": [],
    "locale": "fa",
    "time_zone": "Asia/Tehran",
    "province": None,
    "city": None,
    "birth_date": None,
    "birth_calendar": None,
    "gender": None,
    "accepts_service": True,
    "accepts_promotional": False,
    "consent_source": None,
    "consent_at": None,
    "hand_types": [],
    "engaged": False,
}

CONSENTS: Final = ("accepts_service", "accepts_promotional")

INTERNAL: Final = frozenset({"name_key", "version", "updated_at", "created_at", "engaged"})
"""Columns that follow from others; `customer.updated` does not name them."""

is_code: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,64}").fullmatch


def new_row(person_id: UUID, origin: Origin, fields: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """Return the row of a customer who is opened with `fields`."""
    row = {**EMPTY, **fields, "id": person_id, "origin": origin, "version": 1, "created_at": at, "updated_at": at}
    row["name_key"] = name_key(row["first_name"], row["last_name"])
    return row


def change(row: dict[str, Any], fields: Mapping[str, Any], *, at: datetime) -> list[str]:
    """Write `fields` into a row and return the names of those that were different."""
    changed = [name for name, value in fields.items() if row[name] != value]
    if changed:
        row.update({name: fields[name] for name in changed}, version=row["version"] + 1, updated_at=at)
        row["name_key"] = name_key(row["first_name"], row["last_name"])
    return changed


def stated(fields: Fields, before: Mapping[str, Any], *, at: datetime) -> Fields:
    """Return what is said of a profile, with when they agreed or refused: now, unless it is told or was said before."""
    said = {name: fields[name] for name in CONSENTS if name in fields}
    if not said or fields.get("consent_at") is not None:
        return fields
    repeated = before["consent_at"] is not None and all(before[name] == value for name, value in said.items())
    return {**fields, "consent_at": before["consent_at"] if repeated else at}


def missing(row: Mapping[str, Any], fields: Mapping[str, Any]) -> Fields:
    """Return those of `fields` that the row has nothing for yet.

    As long as nobody has changed a profile, what all profiles begin with, such as the locale, is nothing that it says.
    A consent is lacking only as long as nothing was said of any: who took back a yes said something.
    """
    untouched, asked = row["updated_at"] == row["created_at"], row["consent_at"] is not None
    return {
        name: value
        for name, value in fields.items()
        if not (asked and name in CONSENTS)
        and ((value and not row[name]) or (untouched and row[name] == EMPTY.get(name) != value))
    }


def name_key(*names: str | None) -> str | None:
    """Return the form of a name that is searched for: one spelling for all ways of typing it."""
    return fold(" ".join(name for name in names if name)) or None


def of_card(card: ContactCard | None) -> Fields:
    """Return what a card says of a profile; numbers apart.

    Whether a lead may be written to does not bind a customer: who stands in an imported list, and buys, may be.
    """
    if card is None:
        return {}
    fields: Fields = {
        "first_name": card.first_name,
        "last_name": card.last_name,
        "emails": list(card.emails),
        "locale": card.locale,
        "time_zone": card.time_zone,
        "province": card.province,
        "city": card.city,
        "accepts_promotional": card.accepts_promotional,
    }
    if card.birth_date is not None:
        fields |= {"birth_date": to_gregorian(card.birth_date), "birth_calendar": card.birth_date.calendar}
    return {name: value for name, value in fields.items() if value not in (None, [])}


def public(changed: Iterable[str]) -> tuple[str, ...]:
    """Return the names of changed fields as `customer.updated` gives them."""
    return tuple(sorted(name for name in set(changed) if name not in INTERNAL))


def code(text: str | None) -> str | None:
    """Return a text that events may carry, None if it is no code."""
    return text if text is not None and is_code(text) else None
