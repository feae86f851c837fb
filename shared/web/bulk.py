"""Bodies of many items: JSON `{"items": […]}`, a bare array, or NDJSON; each item is read by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import msgspec
from fastapi import Request

from shared.errors import FieldError, Invalid, PayloadTooLarge
from shared.persian.digits import numeral
from shared.web.deadlines import extend
from shared.web.idempotency import keep_hash_only
from shared.web.item_messages import in_persian
from shared.web.transactions import runtime_of
from shared.web.validation import MOST_ERRORS, Unreadable, unkeepable, unkeepable_text

MOST = 10_000
MOST_VALUES = 2_000_000
"""Commas, or line breaks, that a body may hold: one that holds little else takes forty times its size to be read."""
OFF_LOOP_BYTES = 256 * 1024
"""A body of more than this holds a thousand items or so, and is read in a thread."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

OF_A_KEY = {"Object missing required field": "missing", "Object contains unknown field": "extra_forbidden"}
"""What msgspec begins to say where a key is the fault, and the code of that."""

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class ItemError:
    """An item that does not fit: its place in the body, and what is wrong with it."""

    index: int
    errors: tuple[FieldError, ...]


class TooManyItems(PayloadTooLarge):
    """There are more items than one request may have."""

    code = "too_many_items"

    def __init__(self, count: int, most: int) -> None:
        super().__init__(
            f"{count} items are too many for one request; send at most {most} at a time.",
            fa=f"شمار موارد ({numeral(count)}) زیاد است؛ در هر درخواست بیش از {numeral(most)} مورد نفرستید.",
        )


class NoItems(Invalid):
    """The body holds no list of items."""

    code = "no_items"

    def __init__(self) -> None:
        super().__init__(
            'The body holds no items; send {"items": [ … ]}, a bare array, or a JSON object a line (NDJSON).',
            fa="بدنهٔ درخواست فهرستی ندارد؛ {items: [ … ]} یا آرایه یا NDJSON (هر سطر یک شیء) بفرستید.",
        )


async def read_items(request: Request, item: type[S], *, most: int = MOST) -> list[S | ItemError]:
    """Return the items of the request's body in their order, with an `ItemError` for each that does not fit.

    Only the hash of the request is kept with an `Idempotency-Key`: items carry ids that make a repeat harmless.
    """
    keep_hash_only(request)
    extend(request, runtime_of(request).settings.bulk_deadline_s)
    body = await request.body()
    lines = "ndjson" in request.headers.get("content-type", "")
    if len(body) > OFF_LOOP_BYTES:
        return await asyncio.to_thread(parse, body, item, lines=lines, most=most)
    return parse(body, item, lines=lines, most=most)


def parse(body: bytes, item: type[S], *, lines: bool, most: int) -> list[S | ItemError]:
    """Read the items of `body`."""
    if sum(map(body.count, (b"\n", b"\r") if lines else (b",",))) > MOST_VALUES:
        raise PayloadTooLarge(
            f"The body holds more than {MOST_VALUES} values; send it in parts.",
            fa=f"بدنهٔ درخواست بیش از {numeral(MOST_VALUES)} مقدار دارد؛ آن را در چند بخش بفرستید.",
        )
    raw = _lines(body) if lines else _array(body)
    if len(raw) > most:
        raise TooManyItems(len(raw), most)
    if not raw:
        raise NoItems
    decode = msgspec.json.Decoder(item).decode
    return [_read(index, one, decode) for index, one in enumerate(raw)]


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.strip()]


def _array(body: bytes) -> Sequence[msgspec.Raw]:
    try:
        if body.lstrip()[:1] == b"[":
            return msgspec.json.decode(body, type=list[msgspec.Raw])
        return msgspec.json.decode(body, type=_Items).items
    except msgspec.ValidationError as error:
        raise NoItems from error
    except UNREADABLE as error:
        raise Unreadable.json(str(error).rstrip(".")) from error


class _Items(msgspec.Struct):
    items: list[msgspec.Raw]


def _read(index: int, raw: bytes | msgspec.Raw, decode: Callable[[Any], S]) -> S | ItemError:
    try:
        read = decode(raw)
    except msgspec.ValidationError as error:
        return ItemError(index, (_field(index, str(error)),))
    except UNREADABLE as error:
        fault = Unreadable.json(str(error).rstrip("."))
        return ItemError(index, (FieldError(f"/items/{index}", fault.code, fault.detail, fa=fault.detail_fa),))
    return _kept(index, bytes(raw)) or read


def _kept(index: int, raw: bytes) -> ItemError | None:
    """Return what is wrong with an item that holds text which cannot be kept, if it does."""
    if b"\\u0000" not in raw:
        return None
    places = islice(unkeepable(msgspec.json.decode(raw)), MOST_ERRORS)
    faults = tuple(unkeepable_text(f"/items/{index}{place}") for place in places)
    return ItemError(index, faults) if faults else None


def _field(index: int, said: str) -> FieldError:
    """Return msgspec's message and path (`… - at `$.lines[2].amount``) as a field's error."""
    text, _, path = said.partition(" - at `$")
    steps = path.rstrip("`").replace("[", ".").replace("]", "").split(".")
    place = "".join(f"/{step}" for step in steps if step)
    code = next((code for begin, code in OF_A_KEY.items() if text.startswith(begin)), None)
    if code is not None:
        place += "/" + text.split("`")[1]
    return FieldError(f"/items/{index}{place}", code or "wrong_value", f"{text}.", fa=in_persian(text))
