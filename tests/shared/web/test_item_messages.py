from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from shared.web.bulk import ItemError, parse
from shared.web.item_messages import in_persian


class Item(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    code: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "a"
    amount: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    rate: Annotated[float, msgspec.Meta(gt=0.5)] = 1
    flag: bool = False
    phones: Annotated[list[str], msgspec.Meta(max_length=2)] = []
    kind: Literal["person", "group"] | None = None
    agent_id: UUID | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    day: date | None = None


ID = "این شناسه نیست؛ شناسه به شکل 019a9d4e-7f2b-7c31-9b1e-0a4f5f0c2d11 است."
TIME = "این زمان با منطقهٔ زمانی نیست؛ مانند 2026-11-22T09:30:00Z بفرستید."


@pytest.mark.parametrize(
    ("fields", "place", "code", "persian"),
    [
        ({"name": msgspec.UNSET}, "/name", "missing", "این فیلد نیامده است؛ باید فرستاده شود."),
        ({"colour": "red"}, "/colour", "extra_forbidden", "چنین فیلدی نیست؛ آن را بردارید."),
        ({"name": ""}, "/name", "wrong_value", "متن باید دست‌کم ۱ نویسه داشته باشد."),
        ({"name": "س" * 21}, "/name", "wrong_value", "متن باید حداکثر ۲۰ نویسه داشته باشد."),
        ({"name": None}, "/name", "wrong_value", "اینجا متن لازم است، نه null."),
        ({"name": {}}, "/name", "wrong_value", "اینجا متن لازم است، نه شیء."),
        ({"code": "۱"}, "/code", "wrong_value", "این متن به شکل '^[a-z]+$' نیست."),
        ({"amount": -1}, "/amount", "wrong_value", "این عدد باید دست‌کم ۰ باشد."),
        ({"amount": 10}, "/amount", "wrong_value", "این عدد باید حداکثر ۹ باشد."),
        ({"amount": "5"}, "/amount", "wrong_value", "اینجا عدد صحیح یا null لازم است، نه متن."),
        ({"amount": 1.5}, "/amount", "wrong_value", "اینجا عدد صحیح یا null لازم است، نه عدد."),
        ({"rate": 0.5}, "/rate", "wrong_value", "این عدد باید بیش از ۰٫۵ باشد."),
        ({"flag": "yes"}, "/flag", "wrong_value", "اینجا true یا false لازم است، نه متن."),
        ({"phones": ["1", "2", "3"]}, "/phones", "wrong_value", "اینجا باید حداکثر ۲ مورد باشد."),
        ({"phones": [1]}, "/phones/0", "wrong_value", "اینجا متن لازم است، نه عدد صحیح."),
        ({"kind": "club"}, "/kind", "wrong_value", "'club' هیچ‌یک از مقدارهای پذیرفته نیست."),
        ({"agent_id": "me"}, "/agent_id", "wrong_value", ID),
        ({"at": "yesterday"}, "/at", "wrong_value", TIME),
        ({"at": "2026-11-22T09:30:00"}, "/at", "wrong_value", TIME),
        ({"day": "2026-13-01"}, "/day", "wrong_value", "این تاریخ نیست؛ مانند 2026-11-22 بفرستید."),
    ],
)
def test_what_is_wrong_with_an_item_is_said_in_persian_too(
    fields: dict[str, Any], place: str, code: str, persian: str
) -> None:
    item = {name: value for name, value in ({"name": "سارا"} | fields).items() if value is not msgspec.UNSET}
    [read] = parse(msgspec.json.encode([item]), Item, lines=False, most=1)

    assert isinstance(read, ItemError)
    [error] = read.errors
    assert (error.pointer, error.code, error.fa) == (f"/items/0{place}", code, persian)
    assert error.message.isascii() or "س" in error.message or "۱" in error.message


def test_what_is_not_known_to_be_said_is_quoted() -> None:
    assert in_persian("Something new") == "مقدار این فیلد درست نیست (Something new)."
