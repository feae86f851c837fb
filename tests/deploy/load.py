"""A steady load of what a service is asked: each caller asks again as soon as it is answered."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.api import token

Request = tuple[str, str, dict[str, Any] | None]
REQUESTS: dict[str, list[Request]] = {
    "leads": [
        ("POST", "/v1/leads", {"first_name": "سارا", "source": "website", "phone": "{phone}"}),
        ("GET", "/v1/leads?limit=5", None),
        ("POST", "/v1/leads/{leads}/touches", {"channel": "call"}),
        ("GET", "/v1/leads/{leads}", None),
        ("POST", "/v1/leads/{leads}/qualify", {}),
        ("POST", "/v1/leads/{leads}/convert", {}),
    ],
    "customers": [
        ("POST", "/v1/customers", {"first_name": "سارا", "phones": ["{phone}"]}),
        ("POST", "/v1/purchases", {"person_id": "{customers}", "lines": [{"product": "kilim", "amount_minor": 2_500}]}),
        ("POST", "/v1/tickets", {"person_id": "{customers}", "kind": "complaint"}),
        ("POST", "/v1/coupons", {"person_id": "{customers}", "discount_percent": 10}),
        ("GET", "/v1/customers/{customers}", None),
        ("GET", "/v1/purchases?limit=5", None),
        ("GET", "/v1/purchases?product=kilim&limit=5", None),
    ],
    "surveys": [
        (
            "POST",
            "/v1/surveys",
            {"code": "{word}", "kind": "csat", "scale": "1-5", "title": "آزمایش", "template": "ask"},
        ),
        ("POST", "/v1/invitations", {"survey": "{surveys_code}", "person_id": "{id}", "channel": "api"}),
        ("POST", "/v1/answers", {"invitation_id": "{invitations}", "value": 4}),
        ("GET", "/v1/surveys/{surveys}/results", None),
        ("GET", "/v1/answers?limit=5", None),
    ],
    "messaging": [
        ("POST", "/v1/suppressions", {"phone": "{phone}", "purpose": "promotional"}),
        ("GET", "/v1/messages?limit=5", None),
        ("GET", "/v1/templates", None),
        ("GET", "/v1/automations", None),
        ("GET", "/v1/inbound?limit=5", None),
    ],
    "metrics": [
        ("GET", "/v1/metrics", None),
        ("GET", "/v1/metrics/leads_captured?from=2026-01-01&to=2026-02-01", None),
        ("GET", "/v1/metrics/cohorts?from=2026-01-01&to=2026-02-01", None),
    ],
}
"""What callers ask, in order. `{leads}` is the id that the last POST to that collection answered with."""

HEADERS = {"Authorization": f"Bearer {token()}"}


@dataclass(slots=True)
class Load:
    """Callers of a service, and how often they were answered what."""

    service: str
    url: str
    pause_s: float = 0
    answers: Counter[str] = field(default_factory=Counter)
    going: bool = True

    async def call(self, callers: int = 1) -> None:
        """Have callers ask until the load is told to go no further; each ends what it has begun."""
        async with asyncio.TaskGroup() as group:
            for caller in range(callers):
                group.create_task(self._ask(caller))

    @property
    def failures(self) -> dict[str, int]:
        """Return what was answered that should not have been."""
        return {answer: count for answer, count in self.answers.items() if not answer.startswith("2")}

    async def _ask(self, caller: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, headers=HEADERS, timeout=30) as client:
            known: dict[str, str] = {}
            for number in itertools.count(caller * 1_000):
                known |= {"phone": f"+98999000{number % 10_000:04d}", "id": str(uuid4()), "word": uuid4().hex}
                for method, path, body in REQUESTS[self.service]:
                    if not self.going:
                        return
                    answer = await client.request(method, path.format(**known), json=_filled(body, known))
                    said = f": {answer.text[:200]}" if answer.is_error else ""
                    self.answers[f"{answer.status_code} {method} {path}{said}"] += 1
                    known |= _learnt(path, answer) if method == "POST" and answer.is_success else {}
                    await asyncio.sleep(self.pause_s)


def _filled(value: Any, known: dict[str, str]) -> Any:
    """Return a body with what is known in the places that are named."""
    if isinstance(value, dict):
        return {key: _filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    return value.format(**known) if isinstance(value, str) else value


def _learnt(path: str, answer: httpx.Response) -> dict[str, str]:
    """Return what can be named from now on, where something was added to a collection."""
    _, _, collection, *deeper = path.split("/")
    said = answer.json()
    return {collection: str(said["id"]), f"{collection}_code": str(said.get("code"))} if not deeper else {}
