"""Samples of events as they were published, a file a type and a line a sample: each is read for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import inspect

from shared.contracts import Event

SAMPLES = Path(__file__).parent / "samples"
ID, AT = "01890000-0000-7000-8000-00000000000a", "2026-03-21T09:30:00Z"
QUANTITY = "[0-9]{1,12}"
OF_TYPE = {inspect.UUIDType: ID, inspect.DateTimeType: AT, inspect.BoolType: True, inspect.IntType: 7}


def sample(event: type[Event]) -> dict[str, Any]:
    """Return an event of a type with every field filled in."""
    made: dict[str, Any] = _of(inspect.type_info(event))
    return made


def _of(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StructType(fields=fields):
            return {field.encode_name: _of(field.type) for field in fields}
        case inspect.UnionType(types=types):
            return _of(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return [_of(item)]
        case inspect.DictType(value_type=value):
            return {"code": _of(value)}
        case inspect.Metadata(type=plain):
            return _of(plain)
        case _:
            return _plain(kind)


def _plain(kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.StrType):
        return "1.5" if kind.pattern and QUANTITY in kind.pattern else "code"
    return OF_TYPE[type(kind)]
