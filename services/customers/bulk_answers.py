"""What came of the items of a bulk request, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec
from fastapi import Response

from shared.errors import FieldError

Status = Literal["created", "updated", "unchanged", "error"]


class Fault(msgspec.Struct):
    """A field of an item that does not fit."""

    pointer: str
    code: str
    message: str


class Outcome(msgspec.Struct, omit_defaults=True):
    """What came of one item."""

    index: int
    status: Status
    id: UUID | None = None
    errors: list[Fault] = []


class Outcomes(msgspec.Struct):
    """What came of all, and how often."""

    created: int
    updated: int
    unchanged: int
    errors: int
    results: Sequence[Outcome]


def refused(index: int, errors: Sequence[FieldError]) -> Outcome:
    """Return the outcome of an item that was refused; pointers lead to the item's fields in the request."""
    prefix = f"/items/{index}"
    faults = [
        Fault(each.pointer if each.pointer.startswith(prefix) else prefix + each.pointer, each.code, each.message)
        for each in errors
    ]
    return Outcome(index, "error", errors=faults)


def answer(outcomes: Sequence[Outcome]) -> Response:
    """Return the answer to a bulk request. It is encoded by msgspec: pydantic would take longer than the database."""
    count = dict.fromkeys(("created", "updated", "unchanged", "error"), 0)
    for outcome in outcomes:
        count[outcome.status] += 1
    body = Outcomes(count["created"], count["updated"], count["unchanged"], count["error"], outcomes)
    return Response(msgspec.json.encode(body), media_type="application/json")
