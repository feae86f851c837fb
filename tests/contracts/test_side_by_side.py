"""Old and new code side by side: what one publishes the other reads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.contracts.samples import SAMPLES
from tests.contracts.test_contracts import only_grown, registry

WRITTEN = [
    pytest.param(file.stem, json.loads(line), id=f"{file.stem}:{number}")
    for file in sorted(SAMPLES.glob("*.jsonl"))
    for number, line in enumerate(file.read_text().splitlines(), start=1)
]


def test_every_type_has_a_sample() -> None:
    assert {file.stem for file in SAMPLES.glob("*.jsonl")} == set(registry), (
        "Write what is missing with `python -m tests.contracts.snapshot`."
    )


@pytest.mark.parametrize(("kind", "sample"), WRITTEN)
def test_whatever_was_published_once_is_read_with_all_that_it_says(kind: str, sample: dict[str, Any]) -> None:
    read = msgspec.json.decode(json.dumps(sample), type=registry[kind])

    assert _within(sample, msgspec.to_builtins(read))


@pytest.mark.parametrize(("kind", "sample"), WRITTEN)
def test_fields_that_newer_code_adds_are_ignored_by_older(kind: str, sample: dict[str, Any]) -> None:
    newer = sample | {"field_of_the_next_release": {"of": ["any", "shape"]}}

    assert msgspec.json.decode(json.dumps(newer), type=registry[kind]) == msgspec.convert(sample, registry[kind])


@pytest.mark.parametrize(("kind", "sample"), WRITTEN)
def test_fields_that_older_code_did_not_write_have_defaults(kind: str, sample: dict[str, Any]) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(registry[kind]) if field.required}
    older = {name: value for name, value in sample.items() if name in required}

    read = msgspec.json.decode(json.dumps(older), type=registry[kind])

    assert _within(older, msgspec.to_builtins(read))


def test_a_set_of_codes_may_grow_and_nothing_else_change() -> None:
    old = ({"enum": ["a", "b"]}, True)

    assert only_grown(old, ({"enum": ["a", "b", "c"]}, True))
    assert not only_grown(old, ({"enum": ["a", "c"]}, True))
    assert not only_grown(old, ({"type": "string"}, True))
    assert not only_grown(old, ({"enum": ["a", "b"]}, False))


def _within(said: Any, read: Any) -> bool:
    """Tell whether all of a sample was read."""
    if isinstance(said, dict):
        return all(name in read and _within(value, read[name]) for name, value in said.items())
    if isinstance(said, list):
        return len(said) == len(read) and all(map(_within, said, read))
    return bool(said == read)
