from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from shared.contracts.leads import AgentAdded, AgentUpdated
from shared.service import Runtime
from tests.leads.story import agent, captured
from tests.support import api
from tests.support.events import published, published_cards


async def test_an_agent_joins_and_their_card_travels(runtime: Runtime, client: httpx.AsyncClient) -> None:
    manager = await agent(client, role="manager", team="sales")
    reply = await client.post(
        "/v1/agents",
        json={"first_name": "نازنین", "phone": "۰۹۹۹۰۰۰۴۳۲۱", "manager_id": manager, "team": "sales", "capacity": 5},
    )

    assert reply.status_code == 201
    added = reply.json()
    assert (added["phone"], added["capacity"], added["open_leads"]) == ("+989990004321", 5, 0)
    event = (await published(runtime, AgentAdded))[-1]
    assert (str(event.agent_id), event.role, event.team, event.manager_id) == (
        added["id"], "agent", "sales", UUID(manager),
    )  # fmt: skip
    card = (await published_cards(runtime))[UUID(added["id"])]
    assert card is not None
    assert (card.kind, card.first_name, card.phones) == ("agent", "نازنین", ("+989990004321",))


async def test_an_agent_changes_and_what_is_not_given_stays(runtime: Runtime, client: httpx.AsyncClient) -> None:
    one = await agent(client, team="sales")
    before = await client.get(f"/v1/agents/{one}")
    reply = await client.patch(
        f"/v1/agents/{one}", json={"on_duty": False, "team": None}, headers={"If-Match": before.headers["ETag"]}
    )
    stale = await client.patch(
        f"/v1/agents/{one}", json={"on_duty": True}, headers={"If-Match": before.headers["ETag"]}
    )

    assert (reply.status_code, stale.status_code) == (200, 412)
    assert reply.json() == before.json() | {
        "on_duty": False, "team": None, "version": 2, "updated_at": reply.json()["updated_at"],
    }  # fmt: skip
    [event] = await published(runtime, AgentUpdated)
    assert (event.on_duty, event.team, event.active) == (False, None, True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"phone": "02188880000"}, "/phone"),
        ({"capacity": 0}, "/capacity"),
        ({"role": "boss"}, "/role"),
        ({"team": "فروش"}, "/team"),
        ({"manager_id": str(UUID(int=1))}, "/manager_id"),
        ({"on_duty": None}, "/on_duty"),
        ({"first_name": "\u202e"}, "/first_name"),
    ],
)
async def test_what_does_not_fit_an_agent_is_refused_by_name(
    runtime: Runtime, client: httpx.AsyncClient, body: dict[str, object], pointer: str
) -> None:
    one = await agent(client)
    created = await client.post("/v1/agents", json=body)
    changed = await client.patch(f"/v1/agents/{one}", json=body)

    for reply in (created, changed):
        assert reply.status_code == 422
        assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert len(await published(runtime)) == 1


async def test_nobody_manages_themselves_and_an_agent_is_no_manager_nor_is_one_who_left(
    client: httpx.AsyncClient,
) -> None:
    manager, plain = await agent(client, role="manager"), await agent(client)
    gone = await agent(client, role="manager", active=False)

    for one, boss in ((manager, manager), (manager, plain), (plain, gone)):
        reply = await client.patch(f"/v1/agents/{one}", json={"manager_id": boss})
        assert (reply.status_code, reply.json()["code"]) == (422, "not_a_manager")


async def test_agents_are_listed_by_what_they_are(client: httpx.AsyncClient) -> None:
    one, other = await agent(client, team="sales"), await agent(client, team="care", on_duty=False)
    manager = await agent(client, role="manager", active=False)

    async def found(**query: str) -> list[str]:
        return [each["id"] for each in (await client.get("/v1/agents", params=query)).json()["items"]]

    assert await found() == [one, other, manager]
    assert await found(team="care") == [other]
    assert await found(role="manager") == [manager]
    assert await found(on_duty="true", active="true") == [one]


async def test_an_agent_without_leads_admin_sees_their_own_leads_only(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    mine, theirs = await agent(client), await agent(client)
    leads = {lead["agent_id"]: lead for lead in [await captured(client) for _ in range(2)]}
    scopes = ("leads:write", "pii:read")
    async with api.client(runtime, scopes, agent_id=UUID(mine)) as http:
        listed = (await http.get("/v1/leads", params={"agent_id": theirs})).json()["items"]
        assert [lead["id"] for lead in listed] == [leads[mine]["id"]]
        hidden = leads[theirs]["id"]
        for path in ("", "/touches"):
            assert (await http.get(f"/v1/leads/{hidden}{path}")).status_code == 404
        for path in ("/convert", "/qualify", "/reopen"):
            assert (await http.post(f"/v1/leads/{hidden}{path}")).status_code == 404
        assert (await http.patch(f"/v1/leads/{hidden}", json={"note": "x"})).status_code == 404
        assert (await http.post(f"/v1/leads/{leads[mine]['id']}/convert")).status_code == 200


async def test_an_agent_keeps_the_lead_that_they_capture_and_their_touch_is_theirs(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    await agent(client)
    mine = await agent(client)
    async with api.client(runtime, ("leads:write", "pii:read"), agent_id=UUID(mine)) as http:
        leads = [await captured(http, source="walk_in") for _ in range(2)]
        touch = await http.post(f"/v1/leads/{leads[0]['id']}/touches", json={"channel": "call"})

    assert [lead["agent_id"] for lead in leads] == [mine, mine]
    assert touch.json()["agent_id"] == mine
    assert (await client.get(f"/v1/agents/{mine}")).json()["open_leads"] == 2


async def test_an_agent_who_captures_the_lead_of_another_learns_nothing_personal_of_it(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    theirs = await agent(client)
    lead = await captured(
        client, phone="09990001234", first_name="سارا", email="sara@example.com", note="می‌خواهد شنبه زنگ بزنیم"
    )
    mine = await agent(client)
    async with api.client(runtime, ("leads:write", "pii:read"), agent_id=UUID(mine)) as http:
        seen = await captured(http, phone="09990001234")

    assert (seen["id"], seen["agent_id"], seen["recaptured"]) == (lead["id"], theirs, True)
    assert (seen["first_name"], seen["email"], seen["note"]) == ("س•••", "s•••@example.com", None)


@pytest.mark.parametrize(
    ("fields", "theirs"), [({"source": "walk_in"}, True), ({"direction": "outbound"}, True), ({}, False)]
)
async def test_who_speaks_to_somebody_whose_lead_is_another_s_is_who_spoke(
    runtime: Runtime, client: httpx.AsyncClient, fields: dict[str, str], theirs: bool
) -> None:
    await agent(client)
    lead = await captured(client)
    mine = await agent(client)
    async with api.client(runtime, ("leads:write",), agent_id=UUID(mine)) as http:
        await captured(http, phone=lead["phone"], **fields)

    touch = (await client.get(f"/v1/leads/{lead['id']}/touches")).json()["items"][-1]
    assert (touch["kind"], touch["agent_id"]) == ("recapture", mine if theirs else None)


async def test_an_agent_who_is_changed_to_what_they_are_stays_as_they_were(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    one = await agent(client, team="sales")
    for patch in ({}, {"team": "sales", "on_duty": True}):
        assert (await client.patch(f"/v1/agents/{one}", json=patch)).json()["version"] == 1

    assert await published(runtime, AgentUpdated) == []


async def test_names_and_numbers_are_masked_without_the_right_to_see_them(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    one = await agent(client, phone="09990004321", email="n@example.com")
    lead = await captured(client, phone="09990001234", first_name="سارا", email="sara@example.com", note="پلاک ۱۲")
    async with api.client(runtime, ("leads:admin",)) as http:
        texts = [
            (await http.get(path)).text
            for path in (
                f"/v1/leads/{lead['id']}",
                "/v1/leads",
                f"/v1/agents/{one}",
                "/v1/agents",
                f"/v1/leads/{lead['id']}/touches",
            )
        ]
        again = await http.post("/v1/leads", json={"phone": "09990001234", "note": "پلاک ۱۲"})
        texts += [again.text, (await http.get(f"/v1/leads/{lead['id']}/touches")).text]

    for secret in ("0001234", "0004321", "سارا", "sara@", "n@example", "پلاک"):
        assert not any(secret in text for text in texts)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ((), "GET", "/v1/leads", 403),
        (("customers:admin",), "GET", "/v1/leads", 403),
        (("leads:read",), "POST", "/v1/leads", 403),
        (("leads:write",), "POST", "/v1/agents", 403),
        (("leads:write",), "DELETE", f"/v1/leads/{UUID(int=1)}", 403),
        (("leads:read",), "GET", "/v1/agents", 200),
    ],
)
async def test_a_token_reaches_as_far_as_its_scopes(
    runtime: Runtime, scopes: tuple[str, ...], method: str, path: str, status: int
) -> None:
    async with api.client(runtime, scopes) as http:
        assert (await http.request(method, path, json={} if method == "POST" else None)).status_code == status
