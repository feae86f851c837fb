"""Who wants nothing, and to whom nothing gets through: what a text to a line changes of that, and what it does not."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from services.messaging.inbound.receiving import receive
from services.messaging.providers.protocol import InboundSms
from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import utcnow
from shared.contracts.messaging import OptOutWithdrawn
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import fetchval, intent, known_person, queued, statuses
from tests.support.events import published, turn

SEND = "send transactional"


async def say_12(runtime: Runtime, accounts: SandboxAccounts, line: str) -> None:
    said = InboundSms(line=line, sender=SARA_PHONE, text="۱۲", received_at=utcnow() + timedelta(seconds=5))
    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, [said], runtime.settings, utcnow())


@pytest.mark.parametrize("line", [LINE, ""])
async def test_a_12_does_not_lift_what_the_operator_blocks_though_the_panel_names_no_line(
    line: str, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    await panel.fault("blacklist", number=SARA_PHONE, count=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    await say_12(runtime, accounts, line)
    await queued(runtime, intent(person, "دوباره"))
    await turn(runtime, SEND)

    assert await statuses(runtime) == [("failed", "blacklisted"), ("suppressed", "blacklisted")]
    assert await published(runtime, OptOutWithdrawn) == []


@pytest.mark.parametrize("asked", ["text", "api"])
@pytest.mark.parametrize(("line", "left"), [(LINE, 0), ("30001", 1)])
async def test_a_12_lifts_what_was_asked_for_before_it_by_text_or_api_from_its_line_alone(
    asked: str, line: str, left: int, client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    if asked == "api":
        await client.post("/v1/suppressions", json={"phone": SARA_PHONE, "line": LINE})
    else:
        said = {"from": SARA_PHONE, "to": LINE, "text": "لغو۱۱"}
        await client.post(accounts.webhook_paths["inbound"], json=said)
    await say_12(runtime, accounts, line)

    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == left


async def test_an_11_that_is_told_of_after_an_answer_that_was_sent_later_counts(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    at = int(utcnow().timestamp()) - 60
    for text, place in (("۲", 1), ("۱۱", 0)):
        said = {"from": SARA_PHONE, "to": LINE, "text": text, "time": at + place}
        await client.post(accounts.webhook_paths["inbound"], json=said)

    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == 1
