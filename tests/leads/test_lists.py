from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.leads.leads import queries
from shared.clock import moved
from shared.service import Runtime
from tests.leads.story import agent, captured, done
from tests.support import api
from tests.support.api import ALL_SCOPES
from tests.support.events import turn


async def found(client: httpx.AsyncClient, **query: Any) -> list[str]:
    reply = await client.get("/v1/leads", params=query)
    assert reply.status_code == 200, reply.text
    return [lead["id"] for lead in reply.json()["items"]]


async def test_leads_are_listed_by_capture_the_newest_first(client: httpx.AsyncClient) -> None:
    leads = [(await captured(client))["id"] for _ in range(3)]

    assert await found(client) == leads[::-1]
    assert await found(client, sort="captured_at") == leads


async def paged(client: httpx.AsyncClient, query: dict[str, Any], *, capturing: bool = False) -> list[str]:
    """Return the ids of a list, page after page; `capturing` a new lead after each."""
    seen: list[str] = []
    page: dict[str, Any] = {"next_cursor": None}
    while not seen or page["next_cursor"] is not None:
        reply = await client.get("/v1/leads", params=query | ({"cursor": page["next_cursor"]} if seen else {}))
        page = reply.json()
        seen += [lead["id"] for lead in page["items"]]
        if capturing:
            await captured(client)
    return seen


async def test_pages_show_each_lead_once_while_others_come(client: httpx.AsyncClient) -> None:
    leads = [(await captured(client))["id"] for _ in range(7)]

    assert await paged(client, {"limit": 3}, capturing=True) == leads[::-1]


async def test_a_cursor_is_good_for_its_own_filter_only(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await captured(client)
    cursor = (await client.get("/v1/leads", params={"limit": 1})).json()["next_cursor"]
    reply = await client.get("/v1/leads", params={"limit": 1, "cursor": cursor, "source": "website"})

    assert (reply.status_code, reply.json()["code"]) == (422, "cursor_mismatch")


async def test_leads_are_found_by_what_they_are(runtime: Runtime, client: httpx.AsyncClient) -> None:
    owner = await agent(client)
    with moved(timedelta(minutes=-10)):
        late = await captured(client, source="social", product="crm", phone="09990001234")
    await client.patch(f"/v1/agents/{owner}", json={"on_duty": False})
    fresh = await captured(client, source="website", product="club", phone="09990005678")
    await done(client, fresh, "qualify")
    await turn(runtime, "overdue responses")

    assert await found(client, status="qualified") == [fresh["id"]]
    assert await found(client, agent_id=owner) == [late["id"]]
    assert await found(client, source="social") == [late["id"]]
    assert await found(client, product="club") == [fresh["id"]]
    assert await found(client, phone="۰۹۹۹ ۰۰۰ ۱۲۳۴") == [late["id"]]
    assert await found(client, overdue="true") == [late["id"]]
    assert await found(client, overdue="false") == [fresh["id"]]
    assert await found(client, **{"from": fresh["captured_at"]}) == [fresh["id"]]
    assert await found(client, to=fresh["captured_at"]) == [late["id"]]
    assert await found(client, source="social", product="club") == []


@pytest.mark.parametrize("sort", ["captured_at", "-captured_at"])
@pytest.mark.parametrize("filter_", ["source", "product", "status", "agent_id", "overdue"])
async def test_pages_by_a_filter_within_a_span_show_each_lead_that_fits_once(
    client: httpx.AsyncClient, filter_: str, sort: str
) -> None:
    owner = await agent(client)
    wanted = {"source": "social", "product": "crm", "status": "new", "agent_id": owner, "overdue": "false"}[filter_]
    leads = []
    for place in range(9):
        await client.patch(f"/v1/agents/{owner}", json={"on_duty": place % 3 < 2})
        kind = "social" if place % 3 < 2 else "website"
        leads.append(await captured(client, source=kind, product="crm" if kind == "social" else "club"))
        if kind == "website":
            await done(client, leads[-1], "qualify")
    fitting = [each["id"] for place, each in enumerate(leads) if place % 3 < 2 or filter_ == "overdue"]
    span = {"from": leads[1]["captured_at"], "to": leads[7]["captured_at"]}
    within = [each for each in fitting if each not in {leads[0]["id"], leads[7]["id"], leads[8]["id"]}]

    pages = await paged(client, {filter_: wanted, "sort": sort, "limit": 2})
    assert pages == (fitting if sort == "captured_at" else fitting[::-1])
    pages = await paged(client, {filter_: wanted, "sort": sort, "limit": 2} | span)
    assert pages == (within if sort == "captured_at" else within[::-1])


@pytest.mark.parametrize("name", ["علی", "عل", "نمونه", "نمونه علي", "ﻋﻠﯽ", "كاشاني", "کاشانی", "نیا", "علی نی"])
async def test_a_name_is_found_by_the_beginning_of_its_words_however_it_is_typed(
    client: httpx.AsyncClient, name: str
) -> None:
    lead = await captured(client, first_name="علي", last_name="نمونه کاشانی‌نیا")
    await captured(client, first_name="مینا", last_name="دیگر")

    assert await found(client, name=name) == [lead["id"]]


@pytest.mark.parametrize("few", [0, 1, 5])
async def test_a_name_that_many_have_is_found_like_a_rare_one(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(queries, "MOST_BY_NAME", few)
    leads = [(await captured(client, first_name=name))["id"] for name in ("علی", "مینا", "علی", "علیرضا")]
    first = (await client.get("/v1/leads", params={"name": "علی", "limit": 2})).json()
    rest = await found(client, name="علی", limit=2, cursor=first["next_cursor"])

    assert [lead["id"] for lead in first["items"]] + rest == [leads[3], leads[2], leads[0]]


@pytest.mark.parametrize("name", ["لی", "'", "علی' | '", "\\", "':* | مینا", "!مینا", "%", "علی مینا"])
async def test_what_is_no_beginning_of_a_word_finds_nothing(client: httpx.AsyncClient, name: str) -> None:
    await captured(client, first_name="علی")
    await captured(client, first_name="مینا")

    assert await found(client, name=name) == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"status": "lost"}, "/query/status"),
        ({"agent_id": "me"}, "/query/agent_id"),
        ({"phone": "021 8888 0000"}, "/query/phone"),
        ({"from": "yesterday"}, "/query/from"),
        ({"to": "2026-11-22T10:00:00"}, "/query/to"),
        ({"overdue": "perhaps"}, "/query/overdue"),
        ({"name": "ن" * 101}, "/query/name"),
        ({"limit": "0"}, "/query/limit"),
        ({"cursor": "nonsense"}, "/query/cursor"),
        ({"sort": "name"}, "/query/sort"),
    ],
)
async def test_a_filter_that_does_not_fit_is_refused_by_name(
    client: httpx.AsyncClient, query: dict[str, str], pointer: str
) -> None:
    reply = await client.get("/v1/leads", params=query)

    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


async def test_the_timeline_comes_in_pages(client: httpx.AsyncClient) -> None:
    lead = await captured(client)
    for channel in ("call", "sms", "email"):
        await client.post(f"/v1/leads/{lead['id']}/touches", json={"channel": channel})
    first = (await client.get(f"/v1/leads/{lead['id']}/touches", params={"limit": 3})).json()
    rest = (await client.get(f"/v1/leads/{lead['id']}/touches?limit=3&cursor={quote(first['next_cursor'])}")).json()

    kinds = [touch["channel"] for touch in first["items"] + rest["items"]]
    assert kinds == ["web", "call", "sms", "email"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("scopes", [ALL_SCOPES, ("leads:read",)])
async def test_a_lead_is_listed_as_it_is_read(
    runtime: Runtime, client: httpx.AsyncClient, scopes: tuple[str, ...]
) -> None:
    await agent(client)
    waiting = await captured(client, first_name="سارا", email="sara@example.com", note="بعدازظهر")
    late = await captured(client, source="walk_in", expected_amount_minor=5, province="IR-23")
    with moved(timedelta(days=3)):
        await turn(runtime, "overdue responses")
    await done(client, late, "disqualify", reason="price")
    async with api.client(runtime, scopes) as http:
        listed = (await http.get("/v1/leads")).json()["items"]
        read = [(await http.get(f"/v1/leads/{lead['id']}")).json() for lead in (late, waiting)]

    assert listed == read
    assert [lead["overdue"] for lead in listed] == [False, True]
