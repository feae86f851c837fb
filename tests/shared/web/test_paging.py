from __future__ import annotations

import base64
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from sqlalchemy import select

from shared.ids import new_id
from shared.service import Runtime
from shared.web.paging import LeadingFilter, PageParams, page_of
from tests.shared.web.notes import KEYSET, Note

START = datetime(2026, 3, 21, tzinfo=UTC)


@pytest.fixture
async def notes(runtime: Runtime) -> list[Note]:
    """Forty notes: times in groups of four, ranks in groups with every third unknown."""
    made = [
        Note(
            id=new_id(),
            text=f"note {number:02}",
            kind="even" if number % 2 == 0 else "odd",
            rank=None if number % 3 == 0 else number % 7,
            written_at=START + timedelta(hours=number // 4),
        )
        for number in range(40)
    ]
    random.Random(7).shuffle(made)
    async with runtime.db.transaction() as tx:
        tx.add_all(made)
    return made


async def walk(client: httpx.AsyncClient, query: str, limit: int) -> list[str]:
    """Return the ids of a whole list, page by page."""
    ids: list[str] = []
    cursor = ""
    for _ in range(100):
        page = (await client.get(f"/v1/notes?{query}&limit={limit}{cursor}")).json()
        assert len(page["items"]) <= limit
        ids += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("The list never ends.")


def expected(notes: list[Note], sort: str) -> list[str]:
    """Sort as PostgreSQL does: unknown is larger than everything."""
    field = sort.removeprefix("-")

    def rank(note: Note) -> tuple[bool, Any, UUID]:
        value = getattr(note, field)
        return value is None, 0 if value is None else value, note.id

    return [str(note.id) for note in sorted(notes, key=rank, reverse=sort.startswith("-"))]


@pytest.mark.parametrize("sort", ["written_at", "-written_at", "rank", "-rank", "text", "-text"])
async def test_the_pages_together_are_the_whole_list_in_order(
    client: httpx.AsyncClient, notes: list[Note], sort: str
) -> None:
    for limit in (1, 3, 7, 39, 40, 41):
        assert await walk(client, f"sort={sort}", limit) == expected(notes, sort)


async def test_a_list_comes_newest_first_unless_asked_otherwise(client: httpx.AsyncClient, notes: list[Note]) -> None:
    assert await walk(client, "", 200) == expected(notes, "-written_at")


async def test_a_filtered_list_has_pages_too(client: httpx.AsyncClient, notes: list[Note]) -> None:
    assert await walk(client, "kind=odd&sort=rank", 3) == expected([n for n in notes if n.kind == "odd"], "rank")


@pytest.mark.parametrize("sort", ["written_at", "-written_at"])
@pytest.mark.parametrize("leading", [LeadingFilter(Note.kind, "odd"), None])
async def test_a_led_list_of_a_span_has_the_pages_of_the_same_list(
    runtime: Runtime, notes: list[Note], leading: LeadingFilter | None, sort: str
) -> None:
    since, until = START + timedelta(hours=2), START + timedelta(hours=9)
    wanted = [n for n in notes if since <= n.written_at < until and (leading is None or n.kind == "odd")]
    seen: list[str] = []
    cursor: str | None = None
    async with runtime.db.transaction() as tx:
        for _ in range(10):
            params = PageParams(4, cursor, sort)
            rows, cursor = await page_of(tx, select(Note), KEYSET, params, {}, leading, (since, until))
            seen += [str(note.id) for note in rows]
            if cursor is None:
                break

    assert seen == expected(wanted, sort)


async def test_what_is_added_or_removed_meanwhile_shifts_nothing(
    client: httpx.AsyncClient, runtime: Runtime, notes: list[Note]
) -> None:
    first = (await client.get("/v1/notes?sort=text&limit=10")).json()
    async with runtime.db.transaction() as tx:
        tx.add(Note(id=new_id(), text="a note before all", written_at=START))
        await tx.delete(await tx.get_one(Note, UUID(first["items"][3]["id"])))
    second = (await client.get(f"/v1/notes?sort=text&limit=10&cursor={first['next_cursor']}")).json()

    assert [item["id"] for item in second["items"]] == expected(notes, "text")[10:20]


async def test_a_cursor_of_another_filter_or_sort_is_refused(client: httpx.AsyncClient, notes: list[Note]) -> None:
    cursor = (await client.get("/v1/notes?sort=-written_at&kind=odd&limit=5")).json()["next_cursor"]
    for query in ("sort=written_at&kind=odd", "sort=-written_at&kind=even", "sort=-written_at", "kind=even"):
        answer = await client.get(f"/v1/notes?{query}&cursor={cursor}")

        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_mismatch")
        assert answer.json()["errors"][0]["pointer"] == "/query/cursor"


def forged() -> list[str]:
    def encoded(value: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")

    return [
        "nonsense",
        "é",
        "!!!!",
        encoded([]),
        encoded({"a": 1}),
        encoded(["x", ["str", "a"], ["UUID", "no"]]),
        encoded(["x", ["os.system", "ls"], ["UUID", str(new_id())]]),
        encoded(["x", 5, 6]),
        encoded(["x", ["datetime", "never"], ["UUID", str(new_id())]]),
        encoded(["x", ["Decimal", "NaN"], ["UUID", str(new_id())]]),
    ]


async def test_a_cursor_that_is_none_is_refused(client: httpx.AsyncClient, notes: list[Note]) -> None:
    for cursor in forged():
        answer = await client.get("/v1/notes", params={"cursor": cursor})

        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_mismatch"), cursor


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (1, ["str", "a"]), (1, ["int", 5]), (1, ["datetime", "2026-11-22T09:00:00"]), (1, ["NoneType", None]),
        (2, ["UUID", 5]), (2, ["UUID", None]), (2, ["NoneType", None]), (2, ["bool", True]), (2, ["UUID", ["a"]]),
    ],
)  # fmt: skip
async def test_a_cursor_whose_value_was_changed_to_what_its_column_cannot_have_is_refused(
    client: httpx.AsyncClient, notes: list[Note], place: int, changed: list[Any]
) -> None:
    cursor = (await client.get("/v1/notes?limit=5")).json()["next_cursor"]
    said = orjson.loads(base64.urlsafe_b64decode(cursor + "=="))
    said[place] = changed
    forged = base64.urlsafe_b64encode(orjson.dumps(said)).decode().rstrip("=")
    answer = await client.get("/v1/notes", params={"cursor": forged})

    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_mismatch")


async def test_a_sort_that_is_not_offered_is_refused_with_those_that_are(client: httpx.AsyncClient) -> None:
    for sort in ("amount", "-id", "--text", "text;drop table notes", "-"):
        answer = await client.get("/v1/notes", params={"sort": sort})

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sort")
        assert "written_at, -written_at, rank, -rank, text, -text" in answer.json()["detail"]


async def test_a_limit_beyond_200_is_refused(client: httpx.AsyncClient) -> None:
    for limit in ("0", "201", "-1", "many", "1e9"):
        answer = await client.get(f"/v1/notes?limit={limit}")

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/query/limit"


async def test_an_empty_list_has_one_empty_page(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notes")).json() == {"items": [], "next_cursor": None}


async def test_rows_of_several_columns_keep_their_names(runtime: Runtime, notes: list[Note]) -> None:
    async with runtime.db.transaction() as tx:
        rows, cursor = await page_of(tx, select(Note.text, Note.rank), KEYSET, PageParams(limit=3, sort="text"))

    assert [row.text for row in rows] == ["note 00", "note 01", "note 02"]
    assert cursor is not None


async def test_a_deep_page_is_found_by_the_index(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute("CREATE INDEX ON notes (written_at, id)")
        await connection.execute(
            "INSERT INTO notes (id, text, written_at) SELECT gen_random_uuid(), n::text, "
            "'2026-01-01'::timestamptz + n * interval '1 second' FROM generate_series(1, 20000) AS n"
        )
        await connection.execute("ANALYZE notes")
    statements: list[str] = []
    async with runtime.db.transaction() as tx:
        params = PageParams(limit=50, sort="written_at")
        for _ in itertools.repeat(None, 3):
            rows, cursor = await page_of(tx, select(Note), KEYSET, params)
            params = PageParams(limit=50, sort="written_at", cursor=cursor)
        statements += [row.text for row in rows]
    async with runtime.db.connection() as connection:
        plan = await connection.fetch(
            "EXPLAIN SELECT * FROM notes WHERE (written_at, id) > ($1, $2) ORDER BY written_at, id LIMIT 51",
            START,
            new_id(),
        )

    assert statements[0] == "101"
    assert "Index Cond: (ROW(written_at, id) > ROW(" in "\n".join(line[0] for line in plan)
