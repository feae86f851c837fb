"""A caller that behaves: one key a request, the same until there is an answer, and no more often than it is told."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

import httpx

from tests.faults.ledger import Ledger

Json = dict[str, Any]

PATIENCE_S = 120.0
"""How long a request may go without an answer before that is a fault."""

AWAY = frozenset({503, 504})
IN_FLIGHT = "idempotency_key_in_flight"


class Unanswered(AssertionError):
    """A request was never answered, or answered as no request may be."""


class Caller:
    """Sends requests until they are acknowledged or refused, and counts. `cuts` is the share that it hangs up on."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, chance: random.Random, *, cuts: float = 0.05) -> None:
        self.http, self.ledger, self.chance, self.cuts = http, ledger, chance, cuts

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> httpx.Response:
        """Do something once, however often it has to be asked for."""
        headers = {"Idempotency-Key": key or f"key-{self.chance.getrandbits(96):024x}"}
        hang_up = self.chance.random() < self.cuts
        answer = await self.send("POST", path, json=body, headers=headers, hang_up=hang_up)
        self.ledger.acknowledged += answer.is_success
        return answer

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.send("GET", path, params=params)

    async def send(self, method: str, path: str, *, hang_up: bool = False, **given: Any) -> httpx.Response:
        """Return the first answer that says yes or no."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = await self.try_once(method, path, hang_up=hang_up, **given)
            if answer is not None and not self._away(answer):
                if answer.is_server_error:
                    raise Unanswered(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                return answer
            hang_up = False
            self.ledger.retries += 1
            asked_for = float(answer.headers.get("retry-after", 0.3)) if answer is not None else 0.3
            await asyncio.sleep(asked_for * self.chance.uniform(1.0, 1.5))
        raise Unanswered(f"{method} {path}: no answer within {PATIENCE_S:.0f} s")

    async def try_once(self, method: str, path: str, *, hang_up: bool = False, **given: Any) -> httpx.Response | None:
        """Send a request; None where the connection was lost, or cut by us."""
        try:
            if hang_up:
                self.ledger.cut += 1
                return await self.http.request(method, path, timeout=self.chance.uniform(0.002, 0.05), **given)
            return await self.http.request(method, path, **given)
        except httpx.TransportError:
            return None

    def _away(self, answer: httpx.Response) -> bool:
        if answer.status_code == httpx.codes.CONFLICT:
            return bool(answer.json().get("code") == IN_FLIGHT)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.ledger.turned_away += 1
            if "retry-after" not in answer.headers or "problem+json" not in answer.headers["content-type"]:
                self.ledger.complaints.append(f"{answer.request.url.path}: a 503 without Retry-After or no problem")
        self.ledger.gave_up += answer.status_code == httpx.codes.GATEWAY_TIMEOUT
        return answer.status_code in AWAY or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
