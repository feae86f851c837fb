from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("query", ["knd=urgent", "kind=urgent&Limit=5", "kind[]=urgent", "kind%20=urgent"])
async def test_a_filter_that_is_mistyped_is_refused_by_name_instead_of_showing_all(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"/v1/notes?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert answer.json()["errors"][0]["pointer"] == f"/query/{httpx.QueryParams(query).multi_items()[-1][0]}"
    assert "cursor, kind, limit, sort" in answer.json()["detail"]


async def test_what_a_path_and_its_dependencies_take_is_known(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notes?kind=plain&limit=5&sort=-written_at")).status_code == 200


async def test_a_change_with_a_parameter_that_is_none_changes_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/notes?dry_run=true", json={"text": "سلام"})

    assert "it takes none" in answer.json()["detail"]
    assert (await client.get("/v1/notes")).json()["items"] == []


async def test_a_public_page_is_opened_whatever_a_link_adds_to_its_address(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/notes/page?utm_source=sms")).status_code == 200
