"""The purchases of a product: each once, in the order of the list, whichever version wrote its lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.customers.app import SERVICE
from shared.ids import new_id
from shared.migrate import migrate
from tests.customers.people import PHONE, THEN, bought
from tests.support.postgres import TestServer


def line(product: str) -> dict[str, Any]:
    return {"product": product, "amount_minor": 1}


async def bought_at(client: httpx.AsyncClient, day: int, *products: str) -> str:
    at = (THEN + timedelta(days=day)).isoformat()
    lines = [line(product) for product in products]
    purchase = await bought(client, phone=PHONE, amount_minor=len(lines), lines=lines, occurred_at=at)
    return str(purchase["id"])


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    """Return all pages of the purchases of tea."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await client.get("/v1/purchases", params={"product": "tea", **params, **cursor})
        assert reply.status_code == 200, reply.text
        found += [each["id"] for each in reply.json()["items"]]
        if reply.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": reply.json()["next_cursor"]}


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_a_purchase_is_listed_once_however_many_of_its_lines_have_the_product(
    client: httpx.AsyncClient, limit: int
) -> None:
    second = await bought_at(client, 2, "tea", "saffron", "tea", "tea")
    await bought_at(client, 3, "saffron")
    third = await bought_at(client, 3, "saffron", "tea")
    first = await bought_at(client, 1, "tea")

    assert await listed(client, limit=limit) == [third, second, first]
    assert await listed(client, limit=limit, sort="occurred_at") == [first, second, third]
    until = (THEN + timedelta(days=3)).isoformat()
    assert await listed(client, limit=limit, to=until) == [second, first]
    assert await listed(client, limit=limit, **{"from": until}) == [third]


async def test_lines_sent_in_bulk_are_listed_in_the_same_order(client: httpx.AsyncClient) -> None:
    alone = await bought_at(client, 2, "tea")
    items = [
        {"phone": PHONE, "lines": [line("tea"), line("tea")], "occurred_at": (THEN + timedelta(days=day)).isoformat()}
        for day in (1, 3)
    ]
    early, late = (await client.post("/v1/purchases/bulk", json=items)).json()["results"]

    assert await listed(client) == [late["id"], alone, early["id"]]


BEFORE = """
WITH purchase AS (
    INSERT INTO purchases (id, person_id, fingerprint, amount_minor, currency, occurred_at, recorded_at)
    SELECT gen_random_uuid(), gen_random_uuid(), '', 1, 'IRR', $1::timestamptz + interval '1 minute' * i, $1
    FROM generate_series(1, $2) AS i
    RETURNING id
)
INSERT INTO purchase_lines (purchase_id, place, product, quantity, amount_minor)
SELECT id, place, 'tea', 1, 1 FROM purchase, generate_series(1, 2) AS place
"""
"""As the version before wrote a purchase and its lines, in one statement."""

UNDATED = """
SELECT count(*) FROM purchase_lines AS line JOIN purchases ON purchases.id = line.purchase_id
WHERE line.occurred_at IS DISTINCT FROM purchases.occurred_at
"""


async def test_lines_that_the_version_before_writes_are_dated_before_and_after_the_migration(
    server: TestServer,
) -> None:
    async with server.database("template_empty", leave_empty) as url:
        await migrate(SERVICE, url, "customers_0005")
        connection = await asyncpg.connect(url)
        await connection.execute(BEFORE, THEN, 2_500)
        await migrate(SERVICE, url)
        undated_of_before = await connection.fetchval(UNDATED)
        await connection.execute(BEFORE, THEN, 3)
        await copy_as_before(connection)
        undated_of_after = await connection.fetchval(UNDATED)
        lines = await connection.fetchval("SELECT count(*) FROM purchase_lines")
        await connection.close()

    assert (undated_of_before, undated_of_after, lines) == (0, 0, 5_007)


async def copy_as_before(connection: asyncpg.Connection) -> None:
    """Write a purchase and its line as bulk requests did."""
    purchase_id = new_id()
    await connection.copy_records_to_table(
        "purchases",
        columns=["id", "person_id", "fingerprint", "amount_minor", "currency", "occurred_at", "recorded_at"],
        records=[(purchase_id, new_id(), b"", 1, "IRR", THEN, THEN)],
    )
    await connection.copy_records_to_table(
        "purchase_lines",
        columns=["purchase_id", "place", "product", "quantity", "amount_minor"],
        records=[(purchase_id, 1, "tea", 1, 1)],
    )


async def leave_empty(_url: str) -> None:
    """Make nothing: the migrations do."""
