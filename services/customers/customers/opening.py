"""Opening customers: by conversion, by the API, in bulk, and by a purchase of somebody unknown.

However many requests bring one number at once, one person comes of it: each plans by what it finds, then claims
numbers, external ids and rows that are unique; whoever was slower plans again and finds the other's person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.classification.marking import mark
from services.customers.customers import sql
from services.customers.customers.merging import merge_leads
from services.customers.customers.profile import EMPTY, Fields, Origin, change, code, new_row, of_card, public, stated
from services.customers.people.contacts import lead_cards
from services.customers.people.errors import PhoneIsShared, PhoneTaken
from services.customers.people.holding import HOLD
from services.customers.people.identity import (
    Directory,
    ExternalClaim,
    ExternalKey,
    PhoneClaim,
    SomebodyWasFaster,
    claim,
    look_up,
    share,
)
from shared import outbox
from shared.contracts.cards import CUSTOMERS_CONTACTS
from shared.contracts.customers import CustomerCreated, CustomerUpdated
from shared.db import driver, savepoint
from shared.errors import Conflict, Unavailable
from shared.ids import new_id

ATTEMPTS: Final = 5
Status = Literal["created", "updated", "unchanged"]


@dataclass(slots=True, kw_only=True)
class Draft:
    """Somebody who shall be a customer: the names they go by, and what is known of them.

    `wanted_id` is the person's id where one was minted before; `at_opening` holds only if the draft opens them.
    Admitting it sets `person_id` and `status`, or `refusal`. With `must_be_known_by_phone` one without a number that
    is theirs alone is refused. One who is opened while their card as a lead is awaited has no card yet.
    """

    origin: Origin
    fields: Fields = field(default_factory=dict)
    at_opening: Fields = field(default_factory=dict)
    phones: Sequence[str] = ()
    shared_phones: Sequence[str] = ()
    external_id: ExternalKey | None = None
    wanted_id: UUID | None = None
    must_be_known_by_phone: bool = False
    awaits_card: bool = False
    person_id: UUID | None = None
    status: Status | None = None
    refusal: Conflict | None = None

    def admitted(self) -> UUID:
        """Return the id of the customer that came of it, or raise what it was refused for."""
        if self.refusal is not None:
            raise self.refusal
        if self.person_id is None:
            raise ValueError("The draft has not been admitted yet.")
        return self.person_id


@dataclass(slots=True)
class Plan:
    """What admitting a batch of drafts comes to: rows to write, claims to make, who changed in what.

    `known` is what our own tables had before; `rows` are empty where a profile is only held, not changed. `doubles`
    are people of leads who turn out to be customers: their numbers are.
    """

    known: Directory
    rows: dict[UUID, dict[str, Any]]
    created: set[UUID] = field(default_factory=set)
    changed: dict[UUID, list[str]] = field(default_factory=dict)
    phones: dict[str, PhoneClaim] = field(default_factory=dict)
    shared_phones: dict[tuple[str, UUID], PhoneClaim] = field(default_factory=dict)
    external_ids: dict[ExternalKey, ExternalClaim] = field(default_factory=dict)
    cards: set[UUID] = field(default_factory=set)
    doubles: dict[UUID, UUID] = field(default_factory=dict)


async def admit(tx: AsyncSession, drafts: Sequence[Draft], *, at: datetime) -> None:
    """Find each draft's customer or open them, and write what the draft says into the profile."""
    connection = driver(tx)
    for _ in range(ATTEMPTS):
        try:
            async with savepoint(connection):
                plan = await _plan(connection, drafts, at)
                await _write(connection, plan)
        except SomebodyWasFaster:
            continue
        _publish(tx, plan, {draft.person_id for draft in drafts if draft.awaits_card}, at)
        await merge_leads(tx, plan.doubles, at=at)
        return
    raise Unavailable(
        "Other requests keep opening the same customers; try again.",
        fa="این مشتریان هم‌زمان از چند جا ثبت می‌شوند؛ دوباره بفرستید.",
    )


async def _plan(connection: asyncpg.Connection, drafts: Sequence[Draft], at: datetime) -> Plan:
    known = await look_up(
        connection,
        {phone for draft in drafts for phone in (*draft.phones, *draft.shared_phones)},
        {draft.external_id for draft in drafts if draft.external_id is not None},
    )
    directory = known.copy()
    for draft in drafts:
        _identify(draft, directory)
    rows = await _lock(connection, drafts, known)
    admitted = [draft for draft in drafts if draft.refusal is None and draft.person_id is not None]
    cards = await lead_cards(connection, {draft.person_id for draft in admitted if draft.person_id} - rows.keys())
    plan = Plan(known, rows)
    for draft in admitted:
        if draft.person_id is not None:
            _apply(plan, draft, draft.person_id, of_card(cards.get(draft.person_id)), at)
    return plan


def _identify(draft: Draft, directory: Directory) -> None:
    """Decide whom a draft means, and let the drafts after it find them by the same names."""
    draft.person_id, draft.status, draft.refusal = None, None, None
    by_external_id = directory.by_external_id.get(draft.external_id) if draft.external_id else None
    person_id = by_external_id or draft.wanted_id
    for place, phone in enumerate(draft.phones):
        owner = directory.customers.get(phone)
        if owner is not None and person_id is not None and owner != person_id:
            draft.refusal, draft.person_id = PhoneTaken(place, owner), owner
            return
        person_id = person_id or owner
    theirs_alone = set(draft.phones) - directory.shared.keys() - set(draft.shared_phones)
    if person_id is None and draft.must_be_known_by_phone and not theirs_alone:
        draft.refusal = PhoneIsShared("/phones/0", "external_id") if draft.origin == "import" else PhoneIsShared()
        return
    of_leads = (directory.leads[phone] for phone in draft.phones if phone in directory.leads)
    draft.person_id = person_id = person_id or next(of_leads, None) or new_id()
    directory.customers.update({phone: person_id for phone in draft.phones if phone not in directory.shared})
    if draft.external_id is not None:
        directory.by_external_id[draft.external_id] = person_id


async def _lock(
    connection: asyncpg.Connection, drafts: Sequence[Draft], known: Directory
) -> dict[UUID, dict[str, Any]]:
    """Lock the customers that are there; profiles are read only where a draft may change them."""
    wanted = {draft.person_id for draft in drafts if draft.person_id is not None and draft.refusal is None}
    changing = {
        draft.person_id for draft in drafts if draft.fields or draft.shared_phones or _brings_names(draft, known)
    }
    held = await connection.fetch(HOLD, list(wanted - changing))
    rows: dict[UUID, dict[str, Any]] = {row["id"]: {} for row in held}
    if wanted & changing:
        rows |= {row["id"]: dict(row) for row in await connection.fetch(sql.LOCK, list(wanted & changing))}
    return rows


def _brings_names(draft: Draft, known: Directory) -> bool:
    """Tell whether somebody has a number, or a name in another system, that was not known."""
    named = draft.external_id is None or draft.external_id in known.by_external_id
    return not named or any(phone not in known.customers for phone in draft.phones)


def _apply(plan: Plan, draft: Draft, person_id: UUID, card: Fields, at: datetime) -> None:
    row = plan.rows.get(person_id)
    if row is None:
        said = stated(draft.at_opening | draft.fields, EMPTY, at=at)
        plan.rows[person_id] = new_row(person_id, draft.origin, card | said, at=at)
        plan.created.add(person_id)
        draft.status = "created"
        _claim_names(plan, draft, person_id)
        return
    fields = stated(draft.fields, row, at=at) if row and draft.origin == "import" else draft.fields
    changed = change(row, fields, at=at) if row else []
    names = _claim_names(plan, draft, person_id)
    if names and not changed and person_id not in plan.created:
        row["version"] += 1  # what somebody is known by is part of what is read
    changed += names
    draft.status = "updated" if changed else "unchanged"
    if changed and person_id not in plan.created:
        plan.changed.setdefault(person_id, []).extend(changed)


def _claim_names(plan: Plan, draft: Draft, person_id: UUID) -> list[str]:
    """Note the claims that a draft needs; return the fields that they change."""
    changed = []
    for place, phone in enumerate((*draft.phones, *draft.shared_phones)):
        if _claim_phone(plan, PhoneClaim(phone, person_id, phone in draft.shared_phones, place)):
            changed.append("phones")
    external_id = draft.external_id
    if (
        external_id is not None
        and external_id not in plan.known.by_external_id
        and external_id not in plan.external_ids
    ):
        plan.external_ids[external_id] = ExternalClaim(*external_id, person_id)
        changed.append("external_ids")
    return changed


def _claim_phone(plan: Plan, wanted: PhoneClaim) -> bool:
    """Note a claim unless the person has the number; whether it is shared was decided by whoever said so first."""
    phone, person_id = wanted.phone, wanted.person_id
    sharers = plan.known.shared.get(phone)
    if sharers is None and not wanted.shared:
        if phone in plan.known.customers or phone in plan.phones:
            return False
        plan.phones[phone] = wanted
        if plan.known.leads.get(phone, person_id) != person_id:
            plan.doubles[plan.known.leads[phone]] = person_id
        return True
    if person_id in (sharers or ()) or (phone, person_id) in plan.shared_phones:
        return False
    plan.shared_phones[phone, person_id] = wanted._replace(shared=True)
    return True


async def _write(connection: asyncpg.Connection, plan: Plan) -> None:
    """Write the plan; raises `SomebodyWasFaster` where another transaction took what it builds on."""
    await claim(connection, list(plan.phones.values()), list(plan.external_ids.values()))
    plan.cards.update(await share(connection, list(plan.shared_phones.values())))
    if plan.created:
        created = await connection.fetch(sql.INSERT, *sql.columns(plan.rows[each] for each in plan.created))
        if len(created) != len(plan.created):
            raise SomebodyWasFaster
    await mark(connection, plan.created | plan.changed.keys())
    changed = [plan.rows[each] for each in plan.changed if plan.rows[each]]
    if changed:
        await connection.execute(sql.UPDATE, *sql.columns(changed))
    plan.cards.update(plan.created, plan.changed)


def _publish(tx: AsyncSession, plan: Plan, awaiting: Collection[UUID | None], at: datetime) -> None:
    """Tell of what was done; of who was opened while `awaiting` a lead's card, no card that would hide that one."""
    for person_id in plan.created:
        outbox.add(tx, _created(plan.rows[person_id], at))
    for person_id, changed in plan.changed.items():
        fields, province = public(changed), code(plan.rows[person_id].get("province"))
        if fields:
            outbox.add(tx, CustomerUpdated(person_id=person_id, fields=fields, province=province, occurred_at=at))
    outbox.add_card(tx, CUSTOMERS_CONTACTS, *sorted(plan.cards - (plan.created & set(awaiting))))


def _created(row: Mapping[str, Any], at: datetime) -> CustomerCreated:
    return CustomerCreated(
        person_id=row["id"],
        kind=row["kind"],
        origin=row["origin"],
        lead_id=row["lead_id"],
        source=code(row["source"]),
        province=code(row["province"]),
        occurred_at=at,
    )
