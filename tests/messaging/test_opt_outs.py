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


@pytest.mark.parametrize("typed", [LINE, "+98" + LINE, "۳۰۰۰ ۷۷۳۲ ۰۰۰ ۰۰۰", "٣٠٠٠٧٧٣٢٠٠٠٠٠٠"])
async def test_an_opt_out_from_a_line_counts_however_the_line_is_typed(
    typed: str, client: httpx.AsyncClient, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    reply = await client.post("/v1/suppressions", json={"phone": SARA_PHONE, "line": typed})
    await queued(runtime, intent(await known_person(runtime)))
    await turn(runtime, SEND)

    assert reply.json()["line"] == LINE
    assert await statuses(runtime) == [("suppressed", "opted_out")]
    assert await panel.texts() == []


@pytest.mark.parametrize("line", ["abc", "", "09990001234", "news@example.com"])
async def test_an_opt_out_from_what_is_no_line_is_refused(line: str, client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/suppressions", json={"phone": SARA_PHONE, "line": line})

    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/line")


async def test_an_opt_out_from_a_sender_of_mail_is_kept_as_their_line_is(client: httpx.AsyncClient) -> None:
    sender = "فروشگاه <news@example.com>"
    reply = await client.post("/v1/suppressions", json={"email": "sara@example.com", "line": sender})

    assert reply.json()["line"] == sender
