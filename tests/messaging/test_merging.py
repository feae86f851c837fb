"""Lists of somebody who was known by two ids: both find what is kept under either."""

from __future__ import annotations

import httpx
import pytest

from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import utcnow
from shared.contracts.customers import CustomerMerged
from shared.service import Runtime
from tests.messaging.conftest import LINE
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import intent, known_person, queued
from tests.support.events import deliver

OTHER_PHONE = "+989990001235"
LISTS = ("/v1/messages", "/v1/inbound", "/v1/suppressions")


@pytest.mark.parametrize("path", LISTS)
async def test_what_is_kept_under_either_id_of_a_person_is_listed_by_both(
    path: str, client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    lives, merged = await known_person(runtime), await known_person(runtime, phones=(OTHER_PHONE,))
    for person, phone in ((lives, SARA_PHONE), (merged, OTHER_PHONE)):
        await queued(runtime, intent(person))
        await client.post("/v1/suppressions", json={"phone": phone, "person_id": str(person)})
        await client.post(accounts.webhook_paths["inbound"], json={"from": phone, "to": LINE, "text": "۲"})
    await deliver(runtime, CustomerMerged(occurred_at=utcnow(), person_id=lives, merged_id=merged))

    for person in (lives, merged):
        first = (await client.get(path, params={"person_id": str(person), "limit": 1})).json()
        following = {"person_id": str(person), "limit": 1, "cursor": first["next_cursor"]}
        second = (await client.get(path, params=following)).json()
        assert {row["person_id"] for row in first["items"] + second["items"]} == {str(lives), str(merged)}
        assert second["next_cursor"] is None
