"""What a token without `pii:read`, and an agent who is not the lead's, see of a person who went through the story."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.embedded import SERVICES
from shared.ids import new_id
from shared.web.tokens import sign_token
from tests.security.walking import Walked, walk, without_database
from tests.support.api import ALL_SCOPES
from tests.support.deployments import Deployment, embedded
from tests.support.processes import running

pytestmark = pytest.mark.timeout(240)

FULL = ALL_SCOPES
MASKED = tuple(scope for scope in ALL_SCOPES if scope != "pii:read")
ABOUT_PEOPLE = {
    "GET /v1/leads", "GET /v1/leads/{lead_id}", "GET /v1/agents", "GET /v1/customers",
    "GET /v1/customers/lookup", "GET /v1/customers/{person_id}", "GET /v1/messages", "GET /v1/messages/{message_id}",
    "GET /v1/inbound",
}  # fmt: skip
"""Routes that show personal data to whoever may see it; so the walk would find what is not masked."""


CHANGED = {
    "PATCH /v1/leads/{lead_id}", "POST /v1/leads/{lead_id}/touches", "PATCH /v1/agents/{agent_id}",
    "PATCH /v1/customers/{person_id}", "POST /v1/tickets/{ticket_id}/answer", "POST /v1/tickets/{ticket_id}/resolve",
    "POST /v1/tickets/{ticket_id}/reopen",
}  # fmt: skip
"""Routes that change somebody's data and show them, and that could be asked."""


@dataclass(frozen=True, slots=True)
class Played:
    """A deployment in which the story was played, its lead, and by the path of a list the id of something in it."""

    url: str
    private_pem: str
    lead: Mapping[str, Any]
    ids: Mapping[str, str]

    def client(self, scopes: tuple[str, ...], **claims: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {sign_token(self.private_pem, 'tester', scopes, **claims)}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20)

    def path_of(self, route: Walked) -> str:
        """Return the path of a route that leads to something."""
        return route.at(dict.fromkeys(route.parameters, self.ids.get(route.listed, "")))

    @property
    def personal(self) -> list[str]:
        """Return what nobody may read of the person without `pii:read`, as an answer would hold it."""
        number = self.lead["phone"].removeprefix("+98")
        return [number, self.lead["first_name"], self.lead["last_name"], EMAIL, STAFF_EMAIL, NOTE, BORN, BORN_JALALI]


EMAIL, STAFF_EMAIL, NOTE = "sara@example.org", "staff@example.org", "یادداشت محرمانه"
BORN, BORN_JALALI = "1990-05-12", "1369-02-22"


def routes() -> Iterator[Walked]:
    for service in SERVICES:
        yield from walk(without_database(service), service.name)


def reading() -> Iterator[Walked]:
    """Yield the routes that show what a service keeps."""
    return (route for route in routes() if route.method == "GET" and not route.is_public)


async def get(http: httpx.AsyncClient, route: Walked, played: Played) -> tuple[int, str]:
    """Return an answer's status and text; of a stream the beginning."""
    query = {"phone": played.lead["phone"]} if route.path.endswith("/lookup") else {}
    async with http.stream("GET", played.path_of(route), params=query) as answer:
        if "event-stream" in answer.headers["content-type"]:
            return answer.status_code, await anext(answer.aiter_text())
        return answer.status_code, (await answer.aread()).decode()


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Played]:
    async with embedded(tmp_path) as deployment:
        arguments = ["services.cli", "demo", "--url", deployment.url, "--token-file", str(deployment.token_file)]
        async with running(arguments) as demo:
            assert await demo.ended(within=90) == 0, "\n".join(demo.lines)
        async with deployment.client() as http:
            await _tell_more(http)
            yield await _played(deployment, http, tmp_path)


async def _tell_more(http: httpx.AsyncClient) -> None:
    """Add what the story leaves out: notes and addresses wherever there may be any, an opt-out, a text of our own."""
    new = {"first_name": "نازنین", "last_name": "آزمایشی", "email": EMAIL, "source": "website", "note": NOTE}
    (await http.post("/v1/leads", json=new)).raise_for_status()
    staff = {"first_name": "نیما", "last_name": "آزمایشی", "email": STAFF_EMAIL, "phone": "09990009998"}
    (await http.post("/v1/agents", json=staff)).raise_for_status()
    refused = {"phone": "09990009997"}
    (await http.post("/v1/suppressions", json=refused)).raise_for_status()
    lead = next(lead for lead in (await http.get("/v1/leads")).json()["items"] if lead["phone"])
    touch = {"channel": "call", "note": NOTE}
    (await http.post(f"/v1/leads/{lead['id']}/touches", json=touch)).raise_for_status()
    own = {"person_id": lead["person_id"], "text": NOTE, "purpose": "service"}
    (await http.post("/v1/messages", json=own)).raise_for_status()
    complaint = {"person_id": lead["person_id"], "kind": "complaint", "subject": NOTE, "text": NOTE}
    ticket = (await http.post("/v1/tickets", json=complaint)).raise_for_status().json()
    (await http.post(f"/v1/tickets/{ticket['id']}/answer", json={"text": NOTE})).raise_for_status()
    known = await http.patch(f"/v1/customers/{lead['person_id']}", json={"emails": [EMAIL], "birth_date": BORN})
    known.raise_for_status()
    (await http.post("/sandbox/replies", json={"from": lead["phone"], "text": NOTE})).raise_for_status()


async def _played(deployment: Deployment, http: httpx.AsyncClient, data: Path) -> Played:
    leads = (await http.get("/v1/leads")).json()["items"]
    lead = next(lead for lead in leads if lead["phone"])
    ids = {"/v1/leads": lead["id"], "/v1/customers": lead["person_id"], "/v1/metrics": "retention"}
    for route in reading():
        if route.parameters and route.listed not in ids:
            items = (await http.get(route.listed)).json()["items"]
            item = next((each for each in items if NOTE in str(each)), items[-1])
            ids[route.listed] = item.get(route.parameters[0]) or item["id"]
    return Played(deployment.url, (data / "keys" / "private.pem").read_text(), lead, ids)


async def test_a_person_is_shown_to_those_only_who_may_see_them(played: Played) -> None:
    shown: set[str] = set()
    async with played.client(FULL) as seeing, played.client(MASKED) as masked:
        for route in reading():
            status, text = await get(seeing, route, played)
            assert status == 200, (str(route), text)
            shown |= {str(route)} if any(each in text for each in played.personal) else set()
            status, text = await get(masked, route, played)
            assert (status, [each for each in played.personal if each in text]) == (200, []), str(route)
        await _writing_shows_no_more(masked, played)

    assert shown >= ABOUT_PEOPLE
    await _another_agent_sees_nothing(played)


async def _writing_shows_no_more(masked: httpx.AsyncClient, played: Played) -> None:
    """Whatever becomes of a change, its answer shows no more than reading does, of who was there before."""
    changed = set()
    for route in routes():
        if route.method in {"POST", "PATCH"} and route.parameters and not (route.is_public or route.is_preview):
            body = {} if route.method == "PATCH" else route.example
            answer = await masked.request(route.method, played.path_of(route), json=body)
            assert [each for each in played.personal if each in answer.text] == [], str(route)
            changed |= {str(route)} if answer.is_success else set()

    assert CHANGED - changed == set()


async def _another_agent_sees_nothing(played: Played) -> None:
    """Every path of a lead is that of no lead, for an agent whose lead it is not; lists and searches show none."""
    async with played.client(("leads:write", "pii:read"), agent_id=new_id()) as stranger:
        theirs = [route for route in routes() if "lead_id" in route.parameters and route.scopes != ("leads:admin",)]
        assert len(theirs) >= 8
        for route in theirs:
            answer = await stranger.request(route.method, played.path_of(route), json=route.example)
            assert answer.status_code == 404, (str(route), answer.text)
        for query in ({}, {"phone": played.lead["phone"]}, {"name": played.lead["first_name"]}):
            listed = (await stranger.get("/v1/leads", params={**query, "agent_id": played.lead["agent_id"]})).json()
            assert listed["items"] == [], json.dumps(listed)
