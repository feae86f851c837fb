"""A few rows in each service, so that ids and codes that are tried name something; otherwise all would be 404."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import httpx

from services.messaging.providers.secrets import unsubscribe_token
from shared.contracts.cards import ContactCard
from shared.ids import new_id
from shared.service import Runtime
from tests.fuzz.running import Known
from tests.support.events import deliver

ROWS = 24
"""Enough that what is tried early (delete, convert, merge) leaves some for what is tried later."""

ACCOUNT = {
    "name": "panel",
    "kind": "smsir",
    "base_url": "https://panel.invalid/v1",
    "secret": "of the tests",
    "lines": [{"number": "30007732000000", "purposes": ["service", "promotional"]}],
}


async def _made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    reply = await client.post(path, json=body)
    assert reply.is_success, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def _leads(client: httpx.AsyncClient, _runtime: Runtime) -> Known:
    agents = [
        await _made(client, "/v1/agents", first_name="نازنین", last_name="آزمایشی", phone=f"0999000{number:04}")
        for number in range(2)
    ]
    leads = [
        await _made(client, "/v1/leads", phone=f"0999000{number:04}", source="website", product="tea")
        for number in range(100, 100 + ROWS)
    ]
    for what, lead in zip(("qualify", "convert", "disqualify"), leads, strict=False):
        body = {"json": {"reason": "price"}} if what == "disqualify" else {}
        assert (await client.post(f"/v1/leads/{lead['id']}/{what}", **body)).is_success  # type: ignore[arg-type]
    await _made(client, f"/v1/leads/{leads[-1]['id']}/touches", channel="call")
    agent_ids = [agent["id"] for agent in agents]
    return {
        "path.lead_id": [lead["id"] for lead in leads],
        "path.agent_id": agent_ids,
        "query.agent_id": agent_ids,
        "body.agent_id": agent_ids,
        "body.referrer_person_id": [lead["person_id"] for lead in leads],
    }


async def _customers(client: httpx.AsyncClient, runtime: Runtime) -> Known:
    agent = ContactCard(person_id=new_id(), kind="agent", first_name="نازنین", last_name="آزمایشی")
    await deliver(runtime, agent)
    people = [
        (await _made(client, "/v1/customers", first_name="سارا", phones=[f"0999000{number:04}"]))["id"]
        for number in range(ROWS)
    ]
    purchases = [await _made(client, "/v1/purchases", person_id=each, amount_minor=1_000_000) for each in people]
    coupons = [await _made(client, "/v1/coupons", person_id=each, discount_percent=10) for each in people]
    tickets = [await _made(client, "/v1/tickets", person_id=each, kind="complaint") for each in people]
    return {
        "path.person_id": people,
        "query.person_id": people,
        "body.person_id": people,
        "body.merged_id": people,
        "path.purchase_id": [purchase["id"] for purchase in purchases],
        "body.purchase_id": [purchase["id"] for purchase in purchases],
        "path.code": [coupon["code"] for coupon in coupons],
        "body.coupon_code": [coupon["code"] for coupon in coupons],
        "path.ticket_id": [ticket["id"] for ticket in tickets],
        "query.agent_id": [str(agent.person_id)],
        "body.agent_id": [str(agent.person_id)],
    }


async def _surveys(client: httpx.AsyncClient, _runtime: Runtime) -> Known:
    assert (await client.patch("/v1/surveys/fatigue", json={"days": 0})).is_success
    surveys = [
        await _made(client, "/v1/surveys", code=code, kind="csat", scale="1-5", title="آزمایش", template="survey_csat")
        for code in ("csat_tea", "csat_shop")
    ]
    people = [str(new_id()) for _ in range(ROWS)]
    invitations = [
        await _made(client, "/v1/invitations", survey="csat_tea", person_id=each, channel="api") for each in people
    ]
    answers = [
        await _made(client, "/v1/answers", invitation_id=each["id"], value=number % 5 + 1)
        for number, each in enumerate(invitations[: ROWS // 2])
    ]
    return {
        "path.survey_id": [survey["id"] for survey in surveys],
        "query.survey": ["csat_tea", "csat_shop"],
        "body.survey": ["csat_tea", "csat_shop"],
        "path.invitation_id": [each["id"] for each in invitations],
        "body.invitation_id": [each["id"] for each in invitations],
        "query.person_id": people,
        "body.person_id": people,
        "path.answer_id": [answer["id"] for answer in answers],
    }


async def _messaging(client: httpx.AsyncClient, runtime: Runtime) -> Known:
    people = [new_id() for _ in range(ROWS)]
    await deliver(runtime, *(_card(number, each) for number, each in enumerate(people)))
    account = await _made(client, "/v1/providers", **ACCOUNT)
    messages = [await _made(client, "/v1/messages", person_id=str(each), template="welcome") for each in people]
    suppressed = [await _made(client, "/v1/suppressions", phone=f"0999000{number:04}") for number in range(100, 104)]
    automations = (await client.get("/v1/automations")).json()["items"]
    return {
        "path.message_id": [message["id"] for message in messages],
        "path.code": ["welcome", *(automation["code"] for automation in automations)],
        "body.template": ["welcome"],
        "query.person_id": [str(each) for each in people],
        "body.person_id": [str(each) for each in people],
        "path.account_id": [account["id"]],
        "path.secret": [account["webhook_paths"]["delivery"].split("/")[3]],
        "path.token": [unsubscribe_token(runtime.settings, UUID(message["id"])) for message in messages],
        "path.suppression_id": [each["id"] for each in suppressed],
    }


def _card(number: int, person_id: Any) -> ContactCard:
    return ContactCard(
        person_id=person_id, kind="customer", first_name="سارا", last_name="نمونه", phones=(f"+98999000{number:04}",)
    )


async def _metrics(client: httpx.AsyncClient, _runtime: Runtime) -> Known:
    figures = (await client.get("/v1/metrics")).json()["figures"]
    return {
        "path.figure": [figure["figure"] for figure in figures],
        "query.by": sorted({dimension for figure in figures for dimension in figure["dimensions"]}),
        "query.from": ["1405-01-01", "2026-03-21"],
        "query.to": ["1406-01-01", "2027-03-21"],
    }


SEEDS: Mapping[str, Callable[[httpx.AsyncClient, Runtime], Awaitable[Known]]] = {
    "leads": _leads,
    "customers": _customers,
    "surveys": _surveys,
    "messaging": _messaging,
    "metrics": _metrics,
}

SANDBOX: Known = {
    "query.to": ["09990001234"],
    "query.from": ["09990001234"],
    "body.from": ["09990001234"],
    "body.number": ["09990001234"],
    "path.number": ["30007732000000"],
    "path.fault_id": [1, 2, 3],
}
