"""Purchases in bulk: ten thousand in a handful of statements, and a result for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from services.customers.bulk_answers import Outcome, answer, refused, refused_by
from services.customers.classification.marking import mark
from services.customers.coupons.models import Coupon
from services.customers.coupons.usecases import lock_coupons
from services.customers.customers.conversion import open_buyers
from services.customers.customers.opening import Draft, admit
from services.customers.people.contacts import lead_cards
from services.customers.people.errors import CustomerNotFound, PersonErased
from services.customers.people.holding import hold_customers
from services.customers.people.identity import look_up
from services.customers.purchases import sql
from services.customers.purchases.errors import ExternalIdTaken
from services.customers.purchases.items import Prepared, PurchaseItem, prepare
from services.customers.purchases.recording import values
from shared import outbox
from shared.clock import utcnow
from shared.db import driver, savepoint
from shared.errors import FieldError, Invalid, PeyvandError
from shared.persian.digits import numeral
from shared.web.bulk import ItemError, read_items

ExternalKey = tuple[str, str]


@dataclass(slots=True)
class Batch:
    """The items of a request that are still to be recorded, by their place, and what came of the others."""

    now: datetime
    waiting: dict[int, Prepared] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    repeats: dict[int, int] = field(default_factory=dict)
    coupons: dict[int, Coupon] = field(default_factory=dict)

    def refuse(self, index: int, error: PeyvandError, pointer: str) -> None:
        """Refuse an item, and let the others go through."""
        self.waiting.pop(index, None)
        self.outcomes[index] = refused_by(index, error, pointer)

    def coded(self) -> dict[int, Prepared]:
        """Return the items that are to be recorded with a coupon."""
        return {
            index: each
            for index, each in self.waiting.items()
            if each.item.coupon_code is not None and index not in self.repeats
        }

    def settle(self, index: int, status: Any, purchase_id: UUID) -> None:
        """Note what came of an item."""
        self.waiting.pop(index, None)
        self.outcomes[index] = Outcome(index, status, purchase_id)


async def import_purchases(request: Request, tx: AsyncSession, currencies: Mapping[str, int]) -> Response:
    """Record the items of a request that fit, and answer for each."""
    items = await read_items(request, PurchaseItem)
    batch = await asyncio.to_thread(_read, items, utcnow(), currencies)
    await _settle_known(tx, batch)
    await _refuse_coupons(tx, batch)
    await _find_customers(tx, batch)
    await _apply_coupons(tx, batch)
    await _record(tx, batch)
    await _settle_repeats(tx, batch)
    return answer(request, [batch.outcomes[index] for index in range(len(items))])


def _read(items: list[PurchaseItem | ItemError], now: datetime, currencies: Mapping[str, int]) -> Batch:
    """Check every item; one whose external id came earlier in the same request waits for what comes of that."""
    batch = Batch(now)
    first: dict[ExternalKey, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, ItemError):
            batch.outcomes[index] = refused(index, item.errors)
            continue
        try:
            purchase = prepare(item, now=now, currencies=currencies)
        except Invalid as error:
            batch.refuse(index, error, "")
            continue
        batch.waiting[index] = purchase
        key = purchase.external_key
        if key is not None and first.setdefault(key, index) != index:
            batch.repeats[index] = first[key]
    return batch


async def _settle_known(tx: AsyncSession, batch: Batch) -> None:
    """Settle the items whose external ids were recorded before."""
    keys = {purchase.external_key: index for index, purchase in batch.waiting.items() if purchase.external_key}
    if not keys:
        return
    sources, ids = zip(*(key for key in keys if key is not None), strict=True)
    rows = await driver(tx).fetch(sql.BY_EXTERNAL_ID, list(sources), list(ids))
    known = {(row["source"], row["external_id"]): row for row in rows}
    for index, purchase in list(batch.waiting.items()):
        key = purchase.external_key
        row = known.get(key) if key is not None else None
        if row is not None and key is not None:
            _settle_as(batch, index, purchase, row["id"], row["fingerprint"])


def _settle_as(batch: Batch, index: int, purchase: Prepared, known_id: UUID, fingerprint: bytes) -> None:
    """Settle an item as the repeat of a purchase, or refuse it as another with that one's external id."""
    key = purchase.external_key
    batch.repeats.pop(index, None)
    if key is not None and purchase.fingerprint != fingerprint:
        batch.refuse(index, ExternalIdTaken(*key, known_id), "/external_id")
    else:
        batch.settle(index, "unchanged", known_id)


async def _refuse_coupons(tx: AsyncSession, batch: Batch) -> None:
    """Refuse items of those who would be opened as customers for them, and whose coupon is not theirs, or not good."""
    coded = batch.coded()
    if not coded:
        return
    coupons = await lock_coupons(tx, {str(each.item.coupon_code) for each in coded.values()})
    for index, person_id in (await _no_customers_yet(driver(tx), coded)).items():
        purchase = coded[index]
        try:
            coupon = coupons.for_purchase(str(purchase.item.coupon_code), person_id)
            coupon.refuse_unless_good(at=purchase.occurred_at, currency=purchase.item.currency)
        except PeyvandError as error:
            batch.refuse(index, error, "/coupon_code")


async def _no_customers_yet(connection: asyncpg.Connection, coded: Mapping[int, Prepared]) -> dict[int, UUID | None]:
    """Return the places of those who buy for the first time, with who they are as leads."""
    named = {each.item.person_id for each in coded.values() if each.item.person_id is not None}
    leads = await lead_cards(connection, named)
    found: dict[int, UUID | None] = {
        i: each.item.person_id for i, each in coded.items() if each.item.person_id in leads
    }
    drafts = {index: draft for index, each in coded.items() if (draft := each.draft()) is not None}
    phones = {phone for draft in drafts.values() for phone in draft.phones}
    known = await look_up(connection, phones, {each.external_id for each in drafts.values() if each.external_id})
    taken = known.customers.keys() | known.shared.keys()
    for index, draft in drafts.items():
        if draft.external_id not in known.by_external_id and not taken & set(draft.phones):
            found[index] = next((known.leads[phone] for phone in draft.phones if phone in known.leads), None)
    return found


async def _find_customers(tx: AsyncSession, batch: Batch) -> None:
    """Find or open the customers, and hold them; items that name nobody are refused."""
    named = {index: each.item.person_id for index, each in batch.waiting.items() if each.item.person_id is not None}
    held, erased = await _hold_buyers(tx, set(named.values()))
    for index, person_id in named.items():
        if person_id in erased:
            batch.refuse(index, PersonErased(person_id), "/person_id")
        elif person_id not in held:
            batch.refuse(index, CustomerNotFound(person_id), "/person_id")
        else:
            batch.waiting[index].person_id = held[person_id]
    await _open_customers(tx, batch)


async def _hold_buyers(tx: AsyncSession, person_ids: set[UUID]) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Hold the customers of ids, and tell who was erased; leads become customers by buying."""
    if not person_ids:
        return {}, set()
    held, erased = await hold_customers(driver(tx), person_ids)
    if unknown := person_ids - held.keys() - erased:
        await open_buyers(tx, unknown)
        opened, _ = await hold_customers(driver(tx), unknown)
        held |= opened
    return held, erased


async def _open_customers(tx: AsyncSession, batch: Batch) -> None:
    drafts: dict[tuple[Any, ...], Draft] = {}
    wanted: dict[int, Draft] = {}
    for index, purchase in batch.waiting.items():
        draft = purchase.draft() if index not in batch.repeats else None
        if draft is not None:
            wanted[index] = drafts.setdefault((draft.phones, draft.external_id), draft)
    await admit(tx, list(drafts.values()), at=batch.now)
    for index, draft in wanted.items():
        if draft.refusal is not None:
            batch.refuse(index, draft.refusal, "/phone")
        else:
            batch.waiting[index].person_id = draft.person_id


async def _apply_coupons(tx: AsyncSession, batch: Batch) -> None:
    """Lock the coupons that items name, and take them off; of two items with one coupon the first has it."""
    coded = batch.coded()
    if not coded:
        return
    coupons = await lock_coupons(tx, {str(each.item.coupon_code) for each in coded.values()})
    taken: set[UUID] = set()
    for index, purchase in coded.items():
        try:
            coupon = coupons.for_purchase(str(purchase.item.coupon_code), purchase.person_id, taken)
            purchase.take(coupon)
        except PeyvandError as error:
            batch.refuse(index, error, "/coupon_code")
            continue
        taken.add(coupon.id)
        batch.coupons[index] = coupon


async def _record(tx: AsyncSession, batch: Batch) -> None:
    """Write what is waiting, with its events; an external id that another request wrote meanwhile stays waiting."""
    new = {index: each for index, each in batch.waiting.items() if index not in batch.repeats}
    if not new:
        return
    await outbox.flush(tx)
    connection = driver(tx)
    written = await _write(connection, list(new.values()), batch.now)
    recorded = {index: each for index, each in new.items() if each.id in written}
    await connection.copy_records_to_table(
        "purchase_lines", columns=sql.LINE_NAMES.split(", "), records=_lines(recorded.values())
    )
    await mark(connection, {each.person_id for each in recorded.values() if each.person_id is not None})
    if recorded:
        await outbox.write(tx, [outbox.row(each.event()) for each in recorded.values()])
    for index, purchase in recorded.items():
        batch.settle(index, "created", purchase.id)
        if index in batch.coupons:
            outbox.add(tx, batch.coupons[index].redeem(purchase.id, at=purchase.occurred_at))


async def _write(connection: asyncpg.Connection, purchases: list[Prepared], now: datetime) -> set[UUID]:
    """Write purchases in the order of their external ids; return the ids of those that no other request wrote first.

    COPY is the quickest way, and knows no ON CONFLICT: where it meets one, the slower way leaves those rows out.
    """
    purchases.sort(key=lambda purchase: purchase.external_key or ("", ""))
    rows = [values(purchase, now) for purchase in purchases]
    try:
        async with savepoint(connection):
            await connection.copy_records_to_table("purchases", columns=sql.NAMES.split(", "), records=rows)
    except asyncpg.UniqueViolationError:
        return {row["id"] for row in await connection.fetch(sql.RECORD_MANY, *_columns(rows))}
    return {purchase.id for purchase in purchases}


async def _settle_repeats(tx: AsyncSession, batch: Batch) -> None:
    """Settle what came twice in this request, or in another at the same time: all of it is recorded by now."""
    await _settle_known(tx, batch)
    for index in list(batch.waiting):
        batch.waiting.pop(index)
        batch.outcomes[index] = refused(index, [_repeats_refused(batch.repeats[index])])


def _repeats_refused(first: int) -> FieldError:
    return FieldError(
        "/external_id",
        "repeat_of_refused",
        f"Item {first} has the same external id, and was refused.",
        fa=f"مورد {numeral(first)} همین شناسهٔ بیرونی را دارد و پذیرفته نشد.",
    )


def _lines(purchases: Iterable[Prepared]) -> Iterator[tuple[Any, ...]]:
    for purchase in purchases:
        for place, line in enumerate(purchase.lines, start=1):
            yield (
                purchase.id, place, line.product, line.category, line.quantity, line.amount_minor, purchase.occurred_at
            )  # fmt: skip


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
