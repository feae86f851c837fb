"""Condition trees as they are sent, checked against the fields that they may ask about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from shared.conditions.fields import OPS, Field, Op, WrongValue, read_value
from shared.errors import FieldError, Invalid
from shared.persian.digits import numeral
from shared.quoting import quoted, quoted_fa

DEEPEST = 8
MOST_COMPARISONS = 100
MOST_VALUES = 1000
MOST_DAYS = 36_525

_KEYS: Final = frozenset({"field", "op", "value", "within_days"})
GROUPS: Final = ("all", "any", "not")


class InvalidCondition(Invalid):
    """A condition tree that does not fit; `errors` points at each part that is at fault."""

    code = "invalid_condition"

    def __init__(self, faults: Sequence[FieldError]) -> None:
        super().__init__(
            "The condition does not fit: " + " ".join(fault.message for fault in faults[:3]),
            fa="شرط درست نیست: " + " ".join(fault.fa or fault.message for fault in faults[:3]),
            errors=faults,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all, any or (`not`, with one child) none have to hold."""

    kind: str
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field held against a value that fits its type; for `in` and `not_in` a list of them."""

    field: Field
    op: Op
    value: object
    within_days: int | None = None


Node = Group | Comparison


def parse_condition(tree: object, fields: Mapping[str, Field], *, at: str = "") -> Node:
    """Check `tree` and return it ready to compile; raises `InvalidCondition` naming every fault under pointer `at`."""
    reading = _Reading(fields)
    node = reading.node(tree, at, depth=1)
    if reading.faults or node is None:
        raise InvalidCondition(reading.faults)
    return node


class _Refused(Exception):
    """A part of the tree cannot be read further."""

    def __init__(self, pointer: str, code: str, message: str, *, fa: str) -> None:
        super().__init__(message)
        self.fault = FieldError(pointer or "/", code, message, fa=fa)


@dataclass(slots=True)
class _Reading:
    """One walk over a tree, collecting faults."""

    fields: Mapping[str, Field]
    faults: list[FieldError] = field(default_factory=list)
    comparisons: int = 0

    def node(self, tree: object, at: str, *, depth: int) -> Node | None:
        try:
            return self._read(tree, at, depth)
        except _Refused as refused:
            self.faults.append(refused.fault)
            return None

    def _read(self, tree: object, at: str, depth: int) -> Node | None:
        if depth > DEEPEST:
            raise _Refused(
                at,
                "too_deep",
                f"Conditions are nested at most {DEEPEST} deep.",
                fa=f"شرط‌ها حداکثر تا {numeral(DEEPEST)} لایه تودرتو می‌شوند.",
            )
        if not isinstance(tree, Mapping):
            raise _Refused(
                at,
                "not_a_condition",
                "A condition is an object with all, any, not, or field, op and value.",
                fa="شرط شیئی است با all یا any یا not، یا با field و op و value.",
            )
        for kind in GROUPS:
            if kind in tree:
                if len(tree) > 1:
                    raise _Refused(
                        at,
                        "not_a_condition",
                        f"Beside {kind!r} a condition has no other keys.",
                        fa=f"در کنار {kind} کلید دیگری نمی‌آید.",
                    )
                return self._group(kind, tree[kind], f"{at}/{kind}", depth)
        return self._comparison(tree, at)

    def _group(self, kind: str, given: object, at: str, depth: int) -> Group | None:
        if kind == "not":
            children = [self.node(given, at, depth=depth + 1)]
        elif isinstance(given, list) and len(given) <= MOST_COMPARISONS:
            children = [self.node(child, f"{at}/{place}", depth=depth + 1) for place, child in enumerate(given)]
        else:
            raise _Refused(
                at,
                "not_a_list",
                f"{kind!r} takes a list of at most {MOST_COMPARISONS} conditions.",
                fa=f"مقدار {kind} فهرستی است از حداکثر {numeral(MOST_COMPARISONS)} شرط.",
            )
        whole = tuple(child for child in children if child is not None)
        return Group(kind, whole) if len(whole) == len(children) else None

    def _comparison(self, tree: Mapping[object, object], at: str) -> Comparison:
        self.comparisons += 1
        if self.comparisons > MOST_COMPARISONS:
            raise _Refused(
                at,
                "too_large",
                f"A condition has at most {MOST_COMPARISONS} comparisons.",
                fa=f"هر شرط حداکثر {numeral(MOST_COMPARISONS)} مقایسه دارد.",
            )
        for key in tree:
            if key not in _KEYS:
                raise _Refused(
                    f"{at}/{key}",
                    "unknown_key",
                    f"{quoted(key)} is no part of a condition.",
                    fa=f"شرط کلیدی به نام {quoted_fa(key)} ندارد.",
                )
        known = self._field(tree.get("field"), at)
        op = _op(tree.get("op"), known, at)
        return Comparison(known, op, _value(known, op, tree, at), _within(known, tree, at))

    def _field(self, name: object, at: str) -> Field:
        known = self.fields.get(name) if isinstance(name, str) else None
        if known is None:
            asked = "A comparison needs a field." if name is None else f"There is no field {quoted(name)}."
            right = ", ".join(sorted(self.fields)[:20])
            asked_fa = "مقایسه به field نیاز دارد." if name is None else f"فیلدی به نام {quoted_fa(name)} نیست."
            raise _Refused(
                f"{at}/field", "unknown_field", f"{asked} Fields are {right}.", fa=f"{asked_fa} فیلدها: {right}."
            )
        return known


def _op(op: object, known: Field, at: str) -> Op:
    for possible in get_args(Op):
        if possible == op and possible in OPS[known.type]:
            right: Op = possible
            return right
    offered = ", ".join(possible for possible in get_args(Op) if possible in OPS[known.type])
    raise _Refused(
        f"{at}/op",
        "unknown_op",
        f"{quoted(op)} cannot be asked of a {known.type}; {offered} can.",
        fa=f"مقایسهٔ {quoted_fa(op)} برای نوع {known.type} نیست؛ مقایسه‌ها: {offered}.",
    )


def _value(known: Field, op: Op, tree: Mapping[object, object], at: str) -> object:
    given = tree.get("value", op == "is_null" or None)
    pointer = f"{at}/value"
    try:
        if op == "is_null":
            return read_value(Field("", "boolean"), given)
        if op not in ("in", "not_in"):
            return read_value(known, given)
    except WrongValue as error:
        raise _Refused(pointer, "wrong_type", str(error), fa=error.fa) from None
    if not isinstance(given, list) or len(given) > MOST_VALUES:
        raise _Refused(
            pointer,
            "wrong_type",
            f"{op!r} takes a list of at most {MOST_VALUES} values.",
            fa=f"مقدار {op} فهرستی است از حداکثر {numeral(MOST_VALUES)} مورد.",
        )
    return [_item(known, item, f"{pointer}/{place}") for place, item in enumerate(given)]


def _item(known: Field, item: object, pointer: str) -> object:
    try:
        return read_value(known, item)
    except WrongValue as error:
        raise _Refused(pointer, "wrong_type", str(error), fa=error.fa) from None


def _within(known: Field, tree: Mapping[object, object], at: str) -> int | None:
    days = tree.get("within_days")
    if days is None:
        return None
    if known.within is None:
        raise _Refused(
            f"{at}/within_days",
            "no_window",
            "This field is not counted over a window of time.",
            fa="این فیلد در بازه‌ای از زمان شمرده نمی‌شود.",
        )
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
        raise _Refused(
            f"{at}/within_days",
            "wrong_type",
            f"{quoted(days)} is not a number of days from 1 to {MOST_DAYS}.",
            fa=f"{quoted_fa(days)} شمار روزها نیست؛ عددی صحیح از ۱ تا {numeral(MOST_DAYS)} بنویسید.",
        )
    return days
