"""Payloads that do not fit, said so that one can put them right: where, which value, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from fastapi.exceptions import RequestValidationError

from shared.errors import FieldError, Invalid
from shared.persian.digits import numeral
from shared.web.validation_messages import kind_of, message

MOST_ERRORS = 50


class Unreadable(Invalid):
    code = "unreadable"
    title = "The body cannot be read"
    title_fa = "بدنهٔ درخواست خوانا نیست"

    @classmethod
    def json(cls, reason: str) -> Unreadable:
        """Return the refusal of a body that is no JSON."""
        return cls(f"The body is not JSON: {reason}.", fa=f"بدنهٔ درخواست JSON درستی نیست: {reason}.")

    @classmethod
    def untyped(cls) -> Unreadable:
        """Return the refusal of a body that is not said to be JSON, and was not read as such."""
        return cls(
            "The body is not read as JSON without the header Content-Type: application/json; send it.",
            fa="بدنهٔ درخواست بدون سرآیند Content-Type: application/json خوانده نمی‌شود؛ آن را بفرستید.",
        )

    @classmethod
    def text(cls, errors: Sequence[FieldError] = ()) -> Unreadable:
        """Return the refusal of text that cannot be kept."""
        return cls(
            "A text holds a NUL character or half a surrogate pair; send text that is valid Unicode without NUL.",
            fa="متنی نویسهٔ NUL یا نیمی از یک جفت جانشین دارد؛ متن یونی‌کد درست و بدون NUL بفرستید.",
            errors=errors,
        )


def refusal(error: RequestValidationError, *, persian: bool) -> Invalid:
    """Return the refusal of a request that its schema does not take."""
    faults = error.errors()
    if faults and faults[0]["type"] == "json_invalid":
        return Unreadable.json(str(faults[0].get("ctx", {}).get("error", "")))
    if isinstance(error.body, bytes) and any(tuple(fault["loc"]) == ("body",) for fault in faults):
        return Unreadable.untyped()
    fields = [_field(fault, error.body, persian=persian) for fault in faults[:MOST_ERRORS]]
    count = len(faults)
    return Invalid(
        f"{count} {'field does' if count == 1 else 'fields do'} not fit: {_first(fields)}",
        fa=f"{numeral(count)} مورد درست نیست: {_first(fields)}",
        errors=fields,
    )


def _first(fields: Sequence[FieldError]) -> str:
    return f"{fields[0].pointer or '/'}: {fields[0].message}" if fields else ""


def _field(fault: Mapping[str, Any], body: object, *, persian: bool) -> FieldError:
    code = kind_of(fault)
    said = message(fault, persian=persian)
    return FieldError(pointer(fault["loc"], body), code, said, fa=said)


def pointer(place: Sequence[str | int], body: object) -> str:
    """Return the JSON pointer of a place that pydantic names.

    Pydantic puts names of union members between the keys; whatever is no key of the body is left out, but for the
    last, which may be a key that is missing.
    """
    where, *keys = place
    if where != "body":
        return _join([str(where), *(str(key) for key in keys)])
    return _join([str(key) for key in _real(keys, body)])


def _real(keys: Sequence[str | int], body: object) -> Iterator[str | int]:
    value: Any = body
    for number, key in enumerate(keys, start=1):
        if _holds(value, key):
            value = value[key]
            yield key
        elif number == len(keys) and isinstance(value, dict):
            yield key


def _holds(value: Any, key: str | int) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _join(keys: Sequence[str]) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def unkeepable(value: object) -> Iterator[str]:
    """Yield the pointers of texts that hold NUL or half a surrogate pair, nested as deep as JSON may be."""
    place: list[str | int] = []
    inside: list[Iterator[tuple[str | int, object]]] = [iter([("", value)])]
    while inside:
        for key, inner in inside[-1]:
            if isinstance(inner, str):
                if "\x00" in inner or any("\ud800" <= character <= "\udfff" for character in inner):
                    yield _join([str(each) for each in [*place, key][1:]])
            elif isinstance(inner, dict | list):
                place.append(key)
                inside.append(_parts(inner) if isinstance(inner, dict) else iter(enumerate(inner)))
                break
        else:
            inside.pop()
            del place[-1:]


def _parts(value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, inner in value.items():
        yield "?", key
        yield key, inner


def unkeepable_text(place: str) -> FieldError:
    """Return what is said of a text that cannot be kept."""
    return FieldError(
        place,
        "unkeepable_text",
        "This text holds a NUL character or half a surrogate pair; leave it out.",
        fa="این متن نویسهٔ NUL یا نیمی از یک جفت جانشین دارد؛ آن را بردارید.",
    )


def refuse_unkeepable(value: object) -> None:
    """Raise `Unreadable` where `value` holds text that cannot be kept."""
    places = list(islice(unkeepable(value), MOST_ERRORS))
    if places:
        raise Unreadable.text([unkeepable_text(place) for place in places])
