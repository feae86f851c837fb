"""What is wrong with a field and what would be right, in English and Persian, by pydantic's kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any, Final

from shared.persian.digits import numeral
from shared.quoting import quoted, quoted_fa

MESSAGES: Mapping[str, tuple[str, str]] = {
    "missing": ("This field is missing; it is required.", "این فیلد نیامده است؛ باید فرستاده شود."),
    "extra_forbidden": ("There is no such field; leave it out.", "چنین فیلدی نیست؛ آن را بردارید."),
    "string_type": ("{input} is not a text; write it in quotes.", "{input} متن نیست؛ متنی میان گیومه بفرستید."),
    "string_too_short": (
        "The text is too short; it needs at least {min_length} characters.",
        "متن کوتاه است؛ دست‌کم {min_length} نویسه لازم است.",
    ),
    "string_too_long": (
        "The text is too long; it may have at most {max_length} characters.",
        "متن بلند است؛ بیش از {max_length} نویسه نباشد.",
    ),
    "string_pattern_mismatch": (
        "{input} does not have the form {pattern}.",
        "{input} به شکل {pattern} نیست.",
    ),
    "string_unicode": (
        "The text is not valid Unicode (half a surrogate pair).",
        "متن یونی‌کد درستی نیست (نیمی از یک جفت جانشین).",
    ),
    "int_type": ("{input} is not a whole number; write one such as 42.", "{input} عدد صحیح نیست؛ مانند 42 بفرستید."),
    "int_parsing": ("{input} is not a whole number; write one such as 42.", "{input} عدد صحیح نیست؛ مانند 42 بفرستید."),
    "int_from_float": (
        "{input} has a fraction; write a whole number such as 42.",
        "{input} اعشار دارد؛ عدد صحیح مانند 42 بفرستید.",
    ),
    "float_type": ("{input} is not a number; write one such as 4.2.", "{input} عدد نیست؛ مانند 4.2 بفرستید."),
    "float_parsing": ("{input} is not a number; write one such as 4.2.", "{input} عدد نیست؛ مانند 4.2 بفرستید."),
    "bool_type": ("{input} is neither true nor false.", "{input} نه true است و نه false."),
    "bool_parsing": ("{input} is neither true nor false.", "{input} نه true است و نه false."),
    "greater_than": ("{input} is too small; it must be above {gt}.", "{input} کوچک است؛ باید بیش از {gt} باشد."),
    "greater_than_equal": (
        "{input} is too small; it must be at least {ge}.",
        "{input} کوچک است؛ دست‌کم {ge} باشد.",
    ),
    "less_than": ("{input} is too large; it must be below {lt}.", "{input} بزرگ است؛ باید کمتر از {lt} باشد."),
    "less_than_equal": (
        "{input} is too large; it may be at most {le}.",
        "{input} بزرگ است؛ بیش از {le} نباشد.",
    ),
    "uuid_parsing": (
        "{input} is not an id; ids look like 019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11.",
        "{input} شناسه نیست؛ شناسه به شکل 019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11 است.",
    ),
    "enum": ("{input} is not one of {expected}.", "{input} هیچ‌یک از {expected} نیست."),
    "literal_error": ("{input} is not one of {expected}.", "{input} هیچ‌یک از {expected} نیست."),
    "list_type": ("This must be a list: [ … ].", "اینجا باید فهرست باشد: [ … ]."),
    "dict_type": ("This must be an object: { … }.", "اینجا باید شیء باشد: { … }."),
    "too_short": (
        "There are too few entries; at least {min_length} are needed.",
        "شمار موارد کم است؛ دست‌کم {min_length} مورد لازم است.",
    ),
    "too_long": (
        "There are too many entries; at most {max_length} are taken.",
        "شمار موارد زیاد است؛ بیش از {max_length} مورد نباشد.",
    ),
    "datetime_future": ("{input} lies in the future.", "{input} در آینده است."),
    "datetime_past": ("{input} lies in the past.", "{input} گذشته است."),
    "union_tag_invalid": ("{tag} is not one of {expected_tags}.", "{tag} هیچ‌یک از {expected_tags} نیست."),
    "union_tag_not_found": (
        "The field {discriminator} is missing; it says what kind this is.",
        "فیلد {discriminator}، که نوع را می‌گوید، نیامده است.",
    ),
}

TIME = (
    "{input} is not a time with its zone; write one such as 2026-11-22T09:30:00Z.",
    "{input} زمان با منطقهٔ زمانی نیست؛ مانند 2026-11-22T09:30:00Z بفرستید.",
)
DATE = (
    "{input} is not a date; write one such as 2026-11-22.",
    "{input} تاریخ نیست؛ مانند 2026-11-22 بفرستید.",
)
OBJECT = ("This must be an object with fields: { … }.", "اینجا باید شیئی با فیلدها باشد: { … }.")
DECIMAL = ("{input} is not a decimal number; write one such as 4.20.", "{input} عدد اعشاری نیست؛ مانند 4.20 بفرستید.")
ID = MESSAGES["uuid_parsing"]

FAMILIES: Mapping[str, tuple[str, str]] = {
    "datetime": TIME,
    "timezone": TIME,
    "date": DATE,
    "model": OBJECT,
    "dataclass": OBJECT,
    "decimal": DECIMAL,
    "uuid": ID,
}

COMPARED: Final = frozenset({"gt", "ge", "lt", "le"})
"""What a value is compared with; it is a number then, also where the query's text says it."""


def kind_of(fault: Mapping[str, Any]) -> str:
    """Return what kind of fault it is; a text that was cleaned is too short as any text is, not as a list is."""
    kind = str(fault["type"])
    return f"string_{kind}" if kind in {"too_short", "too_long"} and isinstance(fault.get("input"), str) else kind


def message(fault: Mapping[str, Any], *, persian: bool) -> str:
    """Return what to say of a fault that pydantic reports."""
    context = fault.get("ctx") or {}
    own = context.get("error")
    if isinstance(own, Exception):
        return str((persian and getattr(own, "detail_fa", None)) or own)
    if persian and isinstance(context.get("fa"), str):
        return str(context["fa"])
    kind = kind_of(fault)
    known = MESSAGES.get(kind) or FAMILIES.get(kind.partition("_")[0])
    if known is None:
        return str(fault["msg"]) if not persian else f"مقدار این فیلد درست نیست ({fault['msg']})."
    if persian:
        compared = not COMPARED.isdisjoint(context)
        said = {name: _in_persian(value) for name, value in context.items()}
        return _fill(known[1], {**said, "input": quoted_fa(fault.get("input"), number=compared)})
    return _fill(known[0], {**context, "input": quoted(fault.get("input"))})


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """Put `values` into `template`; braces that name nothing stay as they are."""
    parts = []
    for text, name, _, _ in Formatter().parse(template.replace("{ … }", "{{ … }}")):
        parts.append(text)
        if name is not None:
            parts.append(str(values.get(name, "")))
    return "".join(parts)


def _in_persian(value: object) -> object:
    """Return what pydantic says of a limit, or of what it would take, as a Persian sentence has it."""
    if isinstance(value, int | float):
        return numeral(value)
    return value.replace(", ", "، ").replace(" or ", " یا ") if isinstance(value, str) else value
