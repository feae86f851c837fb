"""A purchase as it is sent, one or many: read, checked, and worked out to what is recorded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from services.customers.coupons.models import Coupon
from services.customers.customers.opening import Draft
from shared.contracts.customers import DiscountOrigin, PurchaseLine, PurchaseRecorded
from shared.errors import FieldError, Invalid
from shared.ids import new_id
from shared.instants import CLOCK_SKEW, EARLIEST
from shared.persian.digits import numeral, to_latin
from shared.persian.phone import any_phone
from shared.web.fields import MOST_MONEY, UnknownCurrency

Amount = Annotated[int, msgspec.Meta(ge=0, le=MOST_MONEY)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
FilledCode = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+$(?!\n)")]
"""A code; `$` alone would let a line's end through."""

_quantity = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?").fullmatch


class LineItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One product of a purchase, as it is sent."""

    product: FilledCode
    category: FilledCode | None = None
    quantity: str | int = "1"
    amount_minor: Amount


class PurchaseItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A purchase as it is sent. The customer is named by `person_id`, or by `phone`, `customer_external_id` or both.

    `customer_source` is `source` unless it is given.
    """

    person_id: UUID | None = None
    phone: str | None = None
    customer_source: FilledCode | None = None
    customer_external_id: Name | None = None
    source: FilledCode | None = None
    external_id: Name | None = None
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    amount_minor: Amount | None = None
    discount_minor: Amount | None = None
    discount_origin: DiscountOrigin | None = None
    currency: str = "IRR"
    lines: Annotated[list[LineItem], msgspec.Meta(max_length=200)] = []
    coupon_code: Name | None = None
    intermediary_id: UUID | None = None
    agent_id: UUID | None = None
    channel: FilledCode | None = None


@dataclass(slots=True)
class Prepared:
    """A purchase that fits, worked out as far as it can be without asking the database."""

    id: UUID
    item: PurchaseItem
    occurred_at: datetime
    amount_minor: int
    discount_minor: int
    discount_origin: DiscountOrigin | None
    lines: tuple[PurchaseLine, ...]
    fingerprint: bytes
    phone: str | None
    person_id: UUID | None = None
    coupon_id: UUID | None = None

    @property
    def external_key(self) -> tuple[str, str] | None:
        """Return the source and what it calls this purchase."""
        item = self.item
        return None if item.source is None or item.external_id is None else (item.source, item.external_id)

    def draft(self) -> Draft | None:
        """Return the customer that has to be found or opened by another name than their id."""
        item = self.item
        if item.person_id is not None:
            return None
        source = item.customer_source or item.source
        named = source is not None and item.customer_external_id is not None
        return Draft(
            origin="purchase",
            at_opening={"source": source},
            phones=(self.phone,) if self.phone is not None else (),
            external_id=(str(source), str(item.customer_external_id)) if named else None,
            must_be_known_by_phone=not named,
        )

    def take(self, coupon: Coupon) -> None:
        """Take a coupon off, unless the purchase says what the discount was; raises if it is not good for this."""
        coupon.refuse_unless_good(at=self.occurred_at, currency=self.item.currency)
        self.coupon_id = coupon.id
        if self.item.discount_minor is None:
            self.discount_minor = coupon.discount_on(self.amount_minor)
        self.discount_origin = self.item.discount_origin or "coupon"

    def event(self) -> PurchaseRecorded:
        """Return the event that says so; the customer has to be known."""
        if self.person_id is None:
            raise ValueError(f"Nobody was found for purchase {self.id}.")
        item = self.item
        return PurchaseRecorded(
            purchase_id=self.id,
            person_id=self.person_id,
            amount_minor=self.amount_minor,
            discount_minor=self.discount_minor,
            discount_origin=self.discount_origin,
            currency=item.currency,
            lines=self.lines,
            coupon_id=self.coupon_id,
            intermediary_id=item.intermediary_id,
            agent_id=item.agent_id,
            channel=item.channel,
            occurred_at=self.occurred_at,
        )


def prepare(item: PurchaseItem, *, now: datetime, currencies: Mapping[str, int]) -> Prepared:
    """Check a purchase and work out its amounts; raises `Invalid` with every field at fault.

    The amount is the sum of the lines unless it is given. A discount is a promotion unless it says otherwise.
    """
    faults = list(_faults(item, now, currencies))
    phone = None
    if item.phone is not None:
        try:
            phone = any_phone(item.phone)
        except Invalid as error:
            faults.append(FieldError("/phone", error.code, error.detail, fa=error.detail_fa))
    if faults:
        raise _refusal(faults)
    amount = item.amount_minor if item.amount_minor is not None else sum(line.amount_minor for line in item.lines)
    discount = item.discount_minor or 0
    occurred_at = min(item.occurred_at.astimezone(UTC), now) if item.occurred_at is not None else now
    return Prepared(
        id=new_id(),
        item=item,
        occurred_at=occurred_at,
        amount_minor=amount,
        discount_minor=discount,
        discount_origin=item.discount_origin or ("promotion" if discount else None),
        lines=tuple(map(_line, item.lines)),
        fingerprint=_fingerprint(item, phone),
        phone=phone,
    )


def _faults(item: PurchaseItem, now: datetime, currencies: Mapping[str, int]) -> Iterator[FieldError]:
    yield from _wrong_names(item)
    if item.occurred_at is not None:
        yield from _wrong_time(item.occurred_at, now)
    if item.currency not in currencies:
        yield from UnknownCurrency(item.currency, currencies).errors
    yield from _wrong_amounts(item)


def _wrong_names(item: PurchaseItem) -> Iterator[FieldError]:
    by_name = item.phone is not None or item.customer_external_id is not None
    if item.person_id is not None and by_name:
        yield FieldError(
            "/person_id",
            "named_twice",
            "Name the customer by id, or by phone and external id, not both.",
            fa="مشتری را یا با person_id بنامید یا با phone و customer_external_id، نه با هر دو.",
        )
    if item.person_id is None and not by_name:
        yield FieldError(
            "/person_id",
            "missing",
            "Name the customer by person_id, phone or customer_external_id.",
            fa="مشتری را با person_id یا phone یا customer_external_id بنامید.",
        )
    if item.customer_external_id is not None and not (item.customer_source or item.source):
        yield FieldError(
            "/customer_source",
            "missing",
            "Say which system calls the customer so, such as shop.",
            fa="بنویسید کدام سامانه مشتری را چنین می‌نامد؛ مانند shop.",
        )
    if item.source is None and item.external_id is not None:
        yield FieldError(
            "/source",
            "missing",
            "Say which system calls the purchase so, such as shop.",
            fa="بنویسید کدام سامانه خرید را چنین می‌نامد؛ مانند shop.",
        )


def _wrong_time(occurred_at: datetime, now: datetime) -> Iterator[FieldError]:
    if occurred_at > now + CLOCK_SKEW:
        present = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        yield FieldError(
            "/occurred_at",
            "in_the_future",
            f"It is {present} now; say when it was.",
            fa=f"اکنون {present} است؛ زمانی را بنویسید که گذشته است.",
        )
    if occurred_at < EARLIEST:
        yield FieldError(
            "/occurred_at",
            "too_early",
            f"Nothing before {EARLIEST.year} is taken.",
            fa=f"پیش از سال {numeral(EARLIEST.year)} پذیرفته نمی‌شود.",
        )


def _wrong_amounts(item: PurchaseItem) -> Iterator[FieldError]:
    for place, line in enumerate(item.lines):
        if not _right_quantity(line.quantity):
            yield FieldError(
                f"/lines/{place}/quantity",
                "wrong_value",
                "A number above 0 with at most 6 decimals.",
                fa="عددی بزرگ‌تر از صفر با حداکثر ۶ رقم اعشار.",
            )
    total = sum(line.amount_minor for line in item.lines)
    amount = item.amount_minor if item.amount_minor is not None else total
    if item.amount_minor is None and not item.lines:
        yield FieldError(
            "/amount_minor",
            "missing",
            "Give the amount, or lines whose sum it is.",
            fa="مبلغ را بفرستید، یا ردیف‌هایی را که مبلغ جمع آن‌هاست.",
        )
    if item.lines and amount != total:
        yield FieldError(
            "/amount_minor", "not_the_sum", f"The lines come to {total}.", fa=f"جمع ردیف‌ها {numeral(total)} است."
        )
    if amount > MOST_MONEY:
        yield FieldError(
            "/lines",
            "too_much",
            f"The lines come to {total}, above {MOST_MONEY}.",
            fa=f"جمع ردیف‌ها {numeral(total)} است، بیش از {numeral(MOST_MONEY)}.",
        )
    yield from _wrong_discount(item, amount)


def _wrong_discount(item: PurchaseItem, amount: int) -> Iterator[FieldError]:
    if (item.discount_minor or 0) > amount:
        yield FieldError(
            "/discount_minor",
            "above_amount",
            f"The discount is at most the amount, {amount}.",
            fa=f"تخفیف بیش از مبلغ ({numeral(amount)}) نباشد.",
        )
    taken_off = 0 if item.discount_minor is None and item.coupon_code is None else item.discount_minor
    if item.discount_origin is not None and taken_off == 0:
        yield FieldError(
            "/discount_origin",
            "no_discount",
            "There is no discount; leave its origin out.",
            fa="تخفیفی نیست؛ خاستگاه آن را نفرستید.",
        )


def _right_quantity(quantity: str | int) -> bool:
    written = to_latin(str(quantity))
    return _quantity(written) is not None and written.strip("0.") != ""


def _line(item: LineItem) -> PurchaseLine:
    return PurchaseLine(
        product=item.product,
        category=item.category,
        quantity=f"{Decimal(to_latin(str(item.quantity))).normalize():f}",
        amount_minor=item.amount_minor,
    )


def _fingerprint(item: PurchaseItem, phone: str | None) -> bytes:
    """Hash what was sent, the number in its one written form."""
    return hashlib.blake2b(msgspec.msgpack.encode(msgspec.structs.replace(item, phone=phone)), digest_size=16).digest()


def past(occurred_at: datetime | None, *, now: datetime) -> datetime:
    """Return when something happened: now unless it is said; raises `Invalid` for what cannot have been."""
    if occurred_at is None:
        return now
    if faults := list(_wrong_time(occurred_at, now)):
        raise _refusal(faults)
    return min(occurred_at.astimezone(UTC), now)


def _refusal(faults: Sequence[FieldError]) -> Invalid:
    first = faults[0]
    return Invalid(
        f"{first.pointer}: {first.message}", fa=f"{first.pointer}: {first.fa or first.message}", errors=faults
    )
