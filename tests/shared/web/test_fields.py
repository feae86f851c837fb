from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from shared.web.fields import Flag, Instant, Number, Whole


class Body(BaseModel):
    at: Instant | None = None
    count: Whole | None = None
    rate: Number | None = None
    active: Flag | None = None


@pytest.mark.parametrize(
    "body",
    [
        {"at": 1_763_802_000},
        {"at": "1763802000"},
        {"at": "0.5"},
        {"at": True},
        {"at": "2026-11-22T09:30:00"},
        {"at": "2026-11-22"},
        {"count": True},
        {"count": "7"},
        {"count": 7.5},
        {"rate": "7"},
        {"rate": False},
        {"active": 1},
        {"active": "yes"},
    ],
)
def test_a_value_of_another_type_is_not_guessed_at(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate(body)


def test_values_are_taken_as_the_description_writes_them() -> None:
    body = Body.model_validate_json('{"at": "2026-11-22T13:00:00+03:30", "count": 7, "rate": 7, "active": false}')

    assert body.model_dump_json() == '{"at":"2026-11-22T13:00:00+03:30","count":7,"rate":7.0,"active":false}'
