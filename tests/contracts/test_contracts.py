"""Contracts change by addition only, and carry nothing that a person could be known by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

import shared.contracts.customers
import shared.contracts.leads
import shared.contracts.messaging
import shared.contracts.surveys  # noqa: F401  (they enter the register by being imported)
from shared.contracts import Event
from shared.contracts import registry as known

registry = {kind: event for kind, event in known.items() if event.__module__.startswith("shared.contracts.")}
"""The contracts, without events that other tests made up."""

SNAPSHOTS = Path(__file__).parent / "snapshots"
PERSONAL = {
    "name", "first_name", "last_name", "phone", "phones", "mobile", "number_to_call", "email", "emails", "address",
    "postal_code", "text", "note", "notes", "comment", "message", "subject", "title", "description", "birth_date",
}  # fmt: skip


def schema(event: type[Event]) -> dict[str, Any]:
    """Return an event's JSON schema with the topic it travels on."""
    plain: dict[str, Any] = json.loads(msgspec.json.encode(msgspec.json.schema(event)))
    return {"topic": event.topic, "key": event.key_field, "schema": plain}


def properties(document: dict[str, Any]) -> dict[str, tuple[Any, bool]]:
    """Return each field of each struct in a schema with its type and whether it must be there."""
    found = {}
    for struct, definition in document["schema"].get("$defs", {}).items():
        required = set(definition.get("required", ()))
        for name, shape in definition.get("properties", {}).items():
            found[f"{struct}.{name}"] = (shape, name in required)
    return found


def only_grown(old: Any, new: Any) -> bool:
    """Tell whether a shape is as it was, but for sets of codes, which may grow: who does not know one waits for it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(
            set(old[name]) <= set(new[name]) if name == "enum" else only_grown(old[name], new[name]) for name in old
        )
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(only_grown, old, new))
    return bool(old == new)


@pytest.mark.parametrize("kind", sorted(registry))
def test_a_contract_only_ever_gains_optional_fields(kind: str) -> None:
    file = SNAPSHOTS / f"{kind}.json"
    assert file.exists(), f"{kind} has no snapshot; write it with `python -m tests.contracts.snapshot`."
    before, now = json.loads(file.read_text()), schema(registry[kind])

    assert (before["topic"], before["key"]) == (now["topic"], now["key"])
    old, new = properties(before), properties(now)
    assert [name for name in old if name not in new or not only_grown(old[name], new[name])] == []
    assert not [name for name, (_, required) in new.items() if required and name not in old]


def test_the_snapshots_are_those_of_the_contracts() -> None:
    written = {file.stem: json.loads(file.read_text()) for file in SNAPSHOTS.glob("*.json")}

    assert written == {kind: schema(event) for kind, event in registry.items()}, (
        "Contracts changed; look at the change and write it with `python -m tests.contracts.snapshot`."
    )


def free_text(kind: inspect.Type, path: str) -> Iterator[str]:
    """Yield the places below `kind` that could hold text of any kind, or are called like personal data."""
    match kind:
        case inspect.StrType(pattern=None):
            yield path
        case inspect.StructType(fields=fields):
            for field in fields:
                if field.name in PERSONAL:
                    yield f"{path}.{field.name}"
                yield from free_text(field.type, f"{path}.{field.name}")
        case inspect.UnionType(types=types):
            for each in types:
                yield from free_text(each, path)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            yield from free_text(item, f"{path}[]")
        case inspect.DictType(value_type=value):
            yield from free_text(value, f"{path}{{}}")
        case inspect.AnyType() | inspect.BytesType():
            yield path


@pytest.mark.parametrize("kind", sorted(registry))
def test_no_contract_has_room_for_names_numbers_or_free_text(kind: str) -> None:
    assert list(free_text(inspect.type_info(registry[kind]), kind)) == []


def test_every_type_is_named_after_a_topic_of_its_producer() -> None:
    assert {event.topic for event in registry.values()} == {
        f"{service}.events.v1" for service in ("leads", "customers", "surveys", "messaging")
    }
