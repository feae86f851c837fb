"""Condition trees: what they mean in PostgreSQL, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.conditions import (
    Field,
    InvalidCondition,
    compile_condition,
    event_fields,
    folded,
    matching,
)
from shared.conditions.tree import DEEPEST, MOST_COMPARISONS
from shared.contracts.customers import PurchaseRecorded
from shared.contracts.surveys import SurveyAnswered
from shared.persian.text import fold
from tests.support.postgres import TestServer

PERSON = UUID("01900000-0000-7000-8000-000000000001")
PEOPLE = {
    "sara": {
        "name": "سارا نمونه",
        "city": "tehran",
        "count": 3,
        "vip": True,
        "since": "2026-03-01T00:00:00Z",
        "born": "1990-06-02",
        "tags": ["gold", "early"],
    },
    "nazanin": {"name": "نازنين آزمايشي", "city": "yazd", "count": 0, "vip": False, "born": "2001-01-01", "tags": []},
    "unknown": {},
}


class Known(msgspec.Struct):
    """What is known of one of them, or is not."""

    name: str | None = None
    city: str | None = None
    count: int | None = None
    vip: bool | None = None
    since: datetime | None = None
    born: date | None = None
    tags: tuple[str, ...] = ()


FIELDS = event_fields(Known)
SAMPLE: dict[str, Any] = {"field": "count", "op": "eq", "value": 1}


@pytest.fixture
async def connection(server: TestServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url())
    yield connection
    await connection.close()


async def who(connection: asyncpg.Connection, tree: object) -> set[str]:
    holds = await matching(connection, tree, list(PEOPLE.values()), FIELDS)
    return {name for name, true in zip(PEOPLE, holds, strict=True) if true}


YES, NO = True, False


def compared(field: str, op: str, *value: object) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("tree", "people"),
    [
        (compared("city", "eq", "yazd"), {"nazanin"}),
        (compared("city", "ne", "yazd"), {"sara", "unknown"}),
        (compared("city", "in", ["yazd", "tehran"]), {"sara", "nazanin"}),
        (compared("city", "in", []), set()),
        (compared("city", "not_in", ["yazd"]), {"sara", "unknown"}),
        (compared("count", "gte", 3), {"sara"}),
        (compared("count", "gt", 3), set()),
        (compared("count", "lt", 0.5), {"nazanin"}),
        (compared("count", "lte", 3), {"sara", "nazanin"}),
        (compared("count", "in", [3, 4]), {"sara"}),
        (compared("vip", "eq", YES), {"sara"}),
        (compared("vip", "ne", YES), {"nazanin", "unknown"}),
        (compared("since", "gte", "2026-03-01T03:30:00+03:30"), {"sara"}),
        (compared("since", "lt", "2026-03-01T00:00:00Z"), set()),
        (compared("born", "lt", "2000-01-01"), {"sara"}),
        (compared("born", "eq", "1369-03-12"), {"sara"}),
        (compared("tags", "contains", "gold"), {"sara"}),
        (compared("tags", "is_null"), {"unknown"}),
        (compared("city", "is_null", NO), {"sara", "nazanin"}),
        (compared("name", "contains", "آزمايش"), {"nazanin"}),
        (compared("name", "contains", "نازنین  ازما"), {"nazanin"}),
        (compared("name", "contains", "%"), set()),
        ({"all": []}, {"sara", "nazanin", "unknown"}),
        ({"any": []}, set()),
        ({"not": compared("count", "gte", 1)}, {"nazanin", "unknown"}),
        ({"not": {"not": compared("count", "gte", 1)}}, {"sara"}),
        ({"all": [compared("count", "gte", 0), {"not": compared("vip", "eq", YES)}]}, {"nazanin"}),
        ({"any": [compared("city", "eq", "yazd"), compared("vip", "eq", YES)]}, {"sara", "nazanin"}),
    ],
)
async def test_a_tree_holds_for_whom_it_says(
    connection: asyncpg.Connection, tree: dict[str, Any], people: set[str]
) -> None:
    assert await who(connection, tree) == people


trees = st.recursive(
    st.builds(
        compared,
        st.sampled_from(["count"]),
        st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]),
        st.integers(-1, 4),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda all_: {"all": all_}),
        st.lists(inner, max_size=3).map(lambda any_: {"any": any_}),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=6,
)


def holds(tree: dict[str, Any], count: int | None) -> bool:
    """Say what a tree means: two-valued, a comparison with what is missing does not hold."""
    match tree:
        case {"all": list(children)}:
            return all(holds(child, count) for child in children)
        case {"any": list(children)}:
            return any(holds(child, count) for child in children)
        case {"not": child}:
            return not holds(child, count)
    value = tree["value"]
    asked: dict[str, bool] = {
        "eq": count == value,
        "ne": count != value,
        "lt": count is not None and count < value,
        "lte": count is not None and count <= value,
        "gt": count is not None and count > value,
        "gte": count is not None and count >= value,
    }
    return asked[str(tree["op"])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(tree=trees)
async def test_sql_means_what_the_tree_says_for_what_is_missing_too(
    connection: asyncpg.Connection, tree: dict[str, Any]
) -> None:
    counts = [None, 0, 1, 3]
    try:
        answers = await matching(connection, tree, [{"count": count} for count in counts], FIELDS)
    except InvalidCondition:
        return

    assert answers == [holds(tree, count) for count in counts]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(text=st.text(alphabet="يىئكکآأةۀ ‌ـَِّ۰۱٢3abCÉä\u200f", max_size=20))
async def test_the_database_folds_as_we_do(connection: asyncpg.Connection, text: str) -> None:
    assert await connection.fetchval(f"SELECT {folded('$1::text')}", text) == fold(text)


@pytest.mark.parametrize(
    ("tree", "pointer", "code"),
    [
        (None, "/", "not_a_condition"),
        ([], "/", "not_a_condition"),
        ({}, "/field", "unknown_field"),
        (compared("height", "eq", 1), "/field", "unknown_field"),
        (compared("count", "like", 1), "/op", "unknown_op"),
        (compared("city", "lt", "x"), "/op", "unknown_op"),
        (compared("tags", "eq", "gold"), "/op", "unknown_op"),
        (compared("count", "eq", "3"), "/value", "wrong_type"),
        (compared("count", "eq", YES), "/value", "wrong_type"),
        (compared("count", "eq", float("nan")), "/value", "wrong_type"),
        (compared("count", "eq"), "/value", "wrong_type"),
        (compared("city", "eq", 3), "/value", "wrong_type"),
        (compared("city", "eq", "a\0b"), "/value", "wrong_type"),
        (compared("city", "eq", "x" * 1001), "/value", "wrong_type"),
        (compared("city", "in", "yazd"), "/value", "wrong_type"),
        (compared("city", "in", ["yazd", 3]), "/value/1", "wrong_type"),
        (compared("city", "in", ["x"] * 1001), "/value", "wrong_type"),
        (compared("since", "gt", "2026-03-01"), "/value", "wrong_type"),
        (compared("since", "gt", "2026-03-01T00:00:00"), "/value", "wrong_type"),
        (compared("born", "eq", "1404-12-30"), "/value", "wrong_type"),
        (compared("vip", "eq", "yes"), "/value", "wrong_type"),
        (compared("city", "is_null", "yes"), "/value", "wrong_type"),
        ({**SAMPLE, "since": 3}, "/since", "unknown_key"),
        ({**SAMPLE, "within_days": 3}, "/within_days", "no_window"),
        ({"all": SAMPLE}, "/all", "not_a_list"),
        ({"all": [SAMPLE], "any": []}, "/", "not_a_condition"),
        ({"all": [SAMPLE, {"not": {"any": [3]}}]}, "/all/1/not/any/0", "not_a_condition"),
    ],
)
def test_what_does_not_fit_is_named_by_its_pointer(tree: object, pointer: str, code: str) -> None:
    with pytest.raises(InvalidCondition) as refused:
        compile_condition(tree, FIELDS)

    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [(pointer, code)]
    assert refused.value.errors[0].message in refused.value.detail
    assert str(refused.value.errors[0].fa) in str(refused.value.detail_fa)


@pytest.mark.parametrize(
    ("tree", "english", "persian"),
    [
        (compared("city", "eq", 35), "35 is not a text", "۳۵ متنی با"),
        (compared("count", "eq", "35"), "«35» is not a number.", "«35» عدد نیست."),
        (compared("count", "eq", YES), "true is not a number.", "true عدد نیست."),
        (compared("count", "eq"), "null is not a number.", "null عدد نیست."),
        (compared("city", "eq", 1.5), "1.5 is not a text", "۱٫۵ متنی با"),
    ],
)
def test_what_was_given_is_quoted_as_it_was_sent_and_numbers_in_the_digits_of_the_sentence(
    tree: object, english: str, persian: str
) -> None:
    with pytest.raises(InvalidCondition) as refused:
        compile_condition(tree, FIELDS)
    [fault] = refused.value.errors

    assert fault.message.startswith(english)
    assert fault.fa is not None
    assert fault.fa.startswith(persian)


def test_every_fault_is_named_at_once_and_under_the_callers_pointer() -> None:
    tree = {"all": [compared("height", "eq", 1), SAMPLE, compared("count", "eq", "x")]}

    with pytest.raises(InvalidCondition) as refused:
        compile_condition(tree, FIELDS, at="/condition")

    assert [fault.pointer for fault in refused.value.errors] == ["/condition/all/0/field", "/condition/all/2/value"]


def test_depth_and_size_are_limited() -> None:
    deep: dict[str, Any] = SAMPLE
    for _ in range(DEEPEST - 1):
        deep = {"not": deep}
    assert compile_condition(deep, FIELDS)

    for tree, code in (({"not": deep}, "too_deep"), ({"all": [{"any": [SAMPLE] * 60}] * 2}, "too_large")):
        with pytest.raises(InvalidCondition) as refused:
            compile_condition(tree, FIELDS)
        assert {fault.code for fault in refused.value.errors} == {code}
    with pytest.raises(InvalidCondition, match="takes a list of at most"):
        compile_condition({"all": [SAMPLE] * (MOST_COMPARISONS + 1)}, FIELDS)


def test_a_tree_as_deep_as_json_allows_is_refused_and_not_walked_down() -> None:
    deep: dict[str, Any] = SAMPLE
    for _ in range(900):
        deep = {"not": deep}

    with pytest.raises(InvalidCondition):
        compile_condition(deep, FIELDS)


async def test_nothing_that_a_person_writes_becomes_sql(connection: asyncpg.Connection) -> None:
    evil = "x') = '' OR true --"

    assert await matching(connection, compared("city", "eq", evil), [{"city": "yazd"}], FIELDS) == [False]
    with pytest.raises(InvalidCondition):
        await matching(connection, compared(evil, "eq", "x"), [{"city": "yazd"}], FIELDS)


async def test_a_window_counts_back_from_now(connection: asyncpg.Connection) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    bought = [now - timedelta(days=days) for days in (400, 364, 10)]
    fields = {"purchases": Field("$1", "number", within="(SELECT count(*) FROM bought WHERE at >= {since})")}
    await connection.execute("CREATE TEMPORARY TABLE bought (at timestamptz)")
    await connection.executemany("INSERT INTO bought VALUES ($1)", [(at,) for at in bought])

    for days, expected in ((365, 2), (401, 3), (9, 0)):
        tree = {"field": "purchases", "op": "eq", "value": expected, "within_days": days}
        sql, params = compile_condition(tree, fields, now=now)
        assert await connection.fetchval(f"SELECT {sql}", *params)


async def test_an_events_contract_gives_the_fields_and_their_types(connection: asyncpg.Connection) -> None:
    fields = event_fields(SurveyAnswered)
    event = SurveyAnswered(
        occurred_at=datetime(2026, 11, 22, tzinfo=UTC),
        person_id=PERSON,
        survey_id=PERSON,
        survey="csat_purchase",
        kind="csat",
        scale="1-5",
        answer_id=PERSON,
        invitation_id=PERSON,
        value=2,
        category="unsatisfied",
        channel="sms",
    )

    assert fields["category"].type == "text"
    assert fields["value"].type == "number"
    assert fields["occurred_at"].type == "timestamp"
    assert await matching(connection, compared("category", "in", ["unsatisfied", "detractor"]), [event], fields) == [
        True
    ]
    assert await matching(connection, compared("occurred_at", "gte", "2026-11-22T00:00:00Z"), [event], fields) == [True]
    assert await matching(connection, compared("person_id", "eq", str(PERSON)), [event], fields) == [True]
    with pytest.raises(InvalidCondition, match="none of"):
        compile_condition(compared("category", "eq", "sad"), fields)
    assert event_fields(PurchaseRecorded)["amount_minor"].type == "number"


async def test_a_batch_of_payloads_keeps_its_order(connection: asyncpg.Connection) -> None:
    payloads = [{"count": number} for number in range(500)]

    assert await matching(connection, compared("count", "gte", 250), payloads, FIELDS) == [False] * 250 + [True] * 250
    assert await matching(connection, compared("count", "gte", 250), [], FIELDS) == []
