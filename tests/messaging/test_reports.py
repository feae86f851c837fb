"""What panels report of messages: early, late, twice, out of order, and of messages that are not ours."""

from __future__ import annotations

from datetime import timedelta

import httpx

from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import moved
from shared.contracts.messaging import MessageDelivered, MessageSent
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.sending import fetchval, intent, known_person, queued, statuses
from tests.support.events import published, turn

SEND = "send transactional"


async def test_reports_may_come_before_the_answer_twice_and_in_the_wrong_order(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    path = accounts.webhook_paths["delivery"]
    for state in (1, 5, 1, 2):
        await client.post(path, json={"messageId": 80000001, "deliveryState": state})
    await turn(runtime, "apply delivery reports")
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    assert (await panel.texts())[0]["id"] == 80000001
    await turn(runtime, "apply delivery reports")

    assert await statuses(runtime) == [("delivered", None)]
    assert len(await published(runtime, MessageDelivered)) == 1
    assert await fetchval(runtime, "SELECT count(*) FROM delivery_reports") == 0


async def test_reports_that_came_long_before_their_message_was_known_are_applied_with_its_mark_and_no_others(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    for message, state in ((80000001, 5), (80000002, 1), (80000001, 2), (80000001, 1)):
        said = {"messageId": message, "deliveryState": state}
        await client.post(accounts.webhook_paths["delivery"], json=said)
    with moved(timedelta(hours=1)):
        await queued(runtime, intent(person))
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("delivered", None)]
    assert [type(event) for event in await published(runtime)][-2:] == [MessageSent, MessageDelivered]
    assert await fetchval(runtime, "SELECT array_agg(provider_id) FROM delivery_reports") == ["80000002"]


async def test_a_report_that_came_while_no_worker_was_at_work_is_looked_for_seldom_and_applied_all_the_same(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await queued(runtime, intent(await known_person(runtime)))
    await turn(runtime, SEND)
    await client.post(accounts.webhook_paths["delivery"], json={"messageId": 80000001, "deliveryState": 1})
    with moved(timedelta(hours=1)):
        await turn(runtime, "apply delivery reports")
        assert await statuses(runtime) == [("sent", None)]
        await turn(runtime, "apply late delivery reports")

    assert await statuses(runtime) == [("delivered", None)]
    assert await fetchval(runtime, "SELECT count(*) FROM delivery_reports") == 0


async def test_a_report_of_an_unanswered_send_waits_until_it_is_known_whose_it_is(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    await panel.fault("timeout_after_accept", count=1, delay_s=1)
    await queued(runtime, intent(await known_person(runtime)))
    await turn(runtime, SEND)
    said = {"messageId": (await panel.texts())[0]["id"], "deliveryState": 1}
    await client.post(accounts.webhook_paths["delivery"], json=said)
    await turn(runtime, "apply delivery reports")
    assert await statuses(runtime) == [("unknown", "timeout")]

    with moved(timedelta(seconds=10)):
        await turn(runtime, "reconcile unknown messages")
        await turn(runtime, "apply delivery reports")
    assert await statuses(runtime) == [("delivered", None)]
    with moved(timedelta(days=3)):
        await client.post(accounts.webhook_paths["delivery"], json=said)
        await turn(runtime, "apply delivery reports")

    assert len(await published(runtime, MessageDelivered)) == 1
    assert len(await panel.texts()) == 1


async def test_what_another_account_reports_by_the_same_id_is_not_said_of_a_message(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    assert accounts
    await queued(runtime, intent(await known_person(runtime)))
    await turn(runtime, SEND)
    account = {"name": "other", "kind": "smsir", "base_url": "http://127.0.0.1:9", "secret": "key"}
    lines = [{"number": LINE, "purposes": ["service"]}]
    other = (await client.post("/v1/providers", json={**account, "lines": lines})).json()
    await client.post(other["webhook_paths"]["delivery"], json={"messageId": 80000001, "deliveryState": 1})
    await turn(runtime, "apply late delivery reports")

    assert await statuses(runtime) == [("sent", None)]


async def test_a_report_of_nobodys_message_is_forgotten_after_a_week(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await client.post(accounts.webhook_paths["delivery"], json={"messageId": 80000001, "deliveryState": 1})
    kept = []
    for days in (6, 8):
        with moved(timedelta(days=days)):
            await turn(runtime, "forget delivery reports")
        kept.append(await fetchval(runtime, "SELECT count(*) FROM delivery_reports"))

    assert kept == [1, 0]
