"""Messages by the API: sent once, explained, cancelled, listed, erased; lanes, caps and hours at work."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.messaging.app import SERVICE
from services.messaging.messages.claiming import claim
from services.messaging.messages.statuses import Lane
from services.messaging.providers.usecases import ensure_sandbox_accounts
from services.messaging.suppressions.usecases import pause_promotion
from shared.clock import moved, utcnow
from shared.contracts.cards import LEADS_CONTACTS
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.contracts.messaging import MessageCancelled, MessageQueued, MessageSent
from shared.ids import new_id
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE, captured, card
from tests.messaging.sending import execute, fetchval, intent, known_person, queued, statuses, waits_or_is_done
from tests.support import api
from tests.support.events import deliver, published, turn
from tests.support.eventually import eventually

SEND = "send transactional"


def at_tehran(hour: int) -> Any:
    """Move the clock to the next time that it is `hour` in Tehran (UTC+03:30)."""
    now = utcnow()
    then = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(hours=hour + 24 - 3.5)
    return moved(then - now)


@pytest.mark.usefixtures("accounts")
async def test_a_message_sent_by_the_api_arrives_and_is_explained(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    body = {"person_id": str(person), "template": "welcome"}
    headers = {"Idempotency-Key": "welcome-1"}
    made = [await client.post("/v1/messages", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]
    await turn(runtime, "send service")

    [text] = await panel.texts(SARA_PHONE)
    message = (await client.get(f"/v1/messages/{made[0].json()['id']}")).json()
    assert (message["status"], message["text"], message["address"]) == ("sent", text["text"], SARA_PHONE)
    [decision] = (await client.get(f"/v1/messages/{message['id']}/decisions")).json()["items"]
    assert (decision["outcome"], decision["reason"]) == ("pass", None)
    assert [step["step"] for step in decision["steps"]][-2:] == ["hours", "line"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": "سلام"}, "/purpose"),
        ({"template": "no_such"}, "/template"),
        ({"template": "welcome", "text": "سلام"}, "/text"),
        ({"template": "welcome", "purpose": "promotional"}, "/purpose"),
        ({"template": "order_ready"}, "/variables/order_number"),
        ({"text": "سلام", "purpose": "important"}, "/purpose"),
    ],
)
async def test_a_message_that_cannot_be_is_refused_and_leaves_nothing(
    body: dict[str, Any], pointer: str, client: httpx.AsyncClient, runtime: Runtime
) -> None:
    template = {
        "code": "order_ready", "purpose": "transactional", "title": "x", "title_fa": "x",
        "variables": ["order_number"], "bodies": {"fa": {"text": "{{ order_number }}"}},
    }  # fmt: skip
    await client.post("/v1/templates", json=template)
    refused = await client.post("/v1/messages", json={"person_id": str(new_id()), **body})

    assert refused.status_code == 422
    assert pointer in {error["pointer"] for error in refused.json()["errors"]}
    assert await statuses(runtime) == []


async def test_only_what_waits_can_be_cancelled(client: httpx.AsyncClient, runtime: Runtime) -> None:
    [message] = await queued(runtime, intent(new_id()))
    answers = await asyncio.gather(*(client.post(f"/v1/messages/{message}/cancel") for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await published(runtime, MessageCancelled)) == 1


async def test_one_intent_gives_at_most_one_message(runtime: Runtime) -> None:
    person = new_id()
    made = await asyncio.gather(*(queued(runtime, intent(person, key="one intent")) for _ in range(4)))

    assert sorted(map(len, made)) == [0, 0, 0, 1]
    assert len(await published(runtime, MessageQueued)) == 1


@pytest.mark.usefixtures("accounts")
async def test_a_campaign_does_not_delay_a_code(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, accepts_promotional=True)
    await queued(runtime, *(intent(person, f"حراج {n}\nلغو۱۱", purpose="promotional") for n in range(20)))
    await queued(runtime, intent(person, "کد ۱۲۳۴"))
    await turn(runtime, SEND)

    assert [text["text"] for text in await panel.texts()] == ["کد ۱۲۳۴"]


@pytest.mark.usefixtures("accounts")
async def test_promotion_is_capped_also_within_one_batch_and_between_senders(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, accepts_promotional=True)
    with at_tehran(12):
        await queued(runtime, *(intent(person, f"حراج {n}\nلغو۱۱", purpose="promotional") for n in range(5)))
        await asyncio.gather(*(turn(runtime, "send promotional") for _ in range(3)))
        assert len(await panel.texts(SARA_PHONE)) == 2

    assert [reason for _, reason in await statuses(runtime)].count("daily_cap") == 3


async def test_two_senders_do_not_both_send_the_last_promotion_allowed(make_runtime: MakeRuntime, panel: Panel) -> None:
    runtime = await make_runtime(SERVICE, batch=1, promotional_per_day=1)
    async with runtime.db.transaction() as tx:
        await ensure_sandbox_accounts(tx, runtime.settings, base_url=panel.base_url)
    person = await known_person(runtime, accepts_promotional=True)
    with at_tehran(12):
        await queued(runtime, *(intent(person, f"حراج {n}\nلغو۱۱", purpose="promotional") for n in range(2)))
        async with runtime.db.transaction() as tx:
            await claim(tx, Lane.PROMOTIONAL, runtime.settings, utcnow())
            other = asyncio.create_task(turn(runtime, "send promotional"))
            await eventually(lambda: waits_or_is_done(runtime, other))
        await other

    assert sorted(await statuses(runtime), key=str) == [("sending", None), ("suppressed", "daily_cap")]


@pytest.mark.usefixtures("accounts")
async def test_promotion_is_capped_and_paused_for_a_person_under_all_their_ids(runtime: Runtime, panel: Panel) -> None:
    merged, lives = new_id(), await known_person(runtime, accepts_promotional=True)
    await deliver(runtime, CustomerMerged(occurred_at=utcnow(), person_id=lives, merged_id=merged))
    with at_tehran(12):
        ids = (merged, lives, merged, lives)
        await queued(runtime, *(intent(each, f"حراج {n}\nلغو۱۱", purpose="promotional") for n, each in enumerate(ids)))
        await turn(runtime, "send promotional")
        assert len(await panel.texts(SARA_PHONE)) == 2
    async with runtime.db.transaction() as tx:
        for days in (14, 1):
            await pause_promotion(tx, merged, days, "apology", utcnow())
    with at_tehran(12), moved(timedelta(days=2)):
        await queued(runtime, intent(lives, "حراج\nلغو۱۱", purpose="promotional"))
        await turn(runtime, "send promotional")

    assert [reason for _, reason in await statuses(runtime)] == [
        None,
        None,
        "daily_cap",
        "daily_cap",
        "promotion_paused",
    ]


@pytest.mark.usefixtures("accounts")
async def test_promotion_that_left_within_a_day_or_a_week_is_counted(runtime: Runtime) -> None:
    """Four that left the day before; one that failed, and one of eight days ago, count no more."""
    person = await known_person(runtime, accepts_promotional=True)
    with at_tehran(12):
        before = await queued(runtime, *(intent(person, f"پیشین {n}", purpose="promotional") for n in range(6)))
        became = ("sent", "delivered", "undelivered", "unknown", "failed", "sent")
        for message, status, hours in zip(before, became, (*(25,) * 5, 8 * 24), strict=True):
            left = "UPDATE messages SET status = $2, started_at = $3 WHERE id = $1"
            await execute(runtime, left, message, status, utcnow() - timedelta(hours=hours))
        new = await queued(runtime, *(intent(person, f"تازه {n} لغو۱۱", purpose="promotional") for n in range(2)))
        await turn(runtime, "send promotional")

    assert sorted(await statuses(runtime, new), key=str) == [("sent", None), ("suppressed", "weekly_cap")]


@pytest.mark.usefixtures("accounts")
async def test_promotion_at_night_waits_for_the_morning(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime, accepts_promotional=True)
    with at_tehran(22):
        [message] = await queued(runtime, intent(person, "حراج\nلغو۱۱", purpose="promotional"))
        await turn(runtime, "send promotional")
        held = (await client.get(f"/v1/messages/{message}")).json()
        assert (held["status"], held["reason"], held["due_at"][11:16]) == ("held", "outside_hours", "04:30")
        with moved(timedelta(hours=10, minutes=1)):
            await turn(runtime, "send promotional")
            assert len(await panel.texts(SARA_PHONE)) == 1


@pytest.mark.usefixtures("accounts")
async def test_a_message_that_waits_goes_by_the_purpose_that_its_template_has_by_then(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    said_no, said_yes = await known_person(runtime), await known_person(runtime, accepts_promotional=True)
    texts = {"fa": {"text": "حراج {{ opt_out_text }}"}}
    template = {"code": "sale", "purpose": "service", "title": "x", "title_fa": "x", "bodies": texts}
    await client.post("/v1/templates", json=template)
    with at_tehran(12):
        for person in (said_no, said_yes):
            await client.post("/v1/messages", json={"person_id": str(person), "template": "sale"})
        await client.patch("/v1/templates/sale", json={"purpose": "promotional"})
        await turn(runtime, "send service")
        assert await panel.texts() == []
        await turn(runtime, "send promotional")
        assert len(await panel.texts()) == 1

    assert sorted(await statuses(runtime), key=str) == [("sent", None), ("suppressed", "no_consent")]
    assert {event.purpose for event in await published(runtime, MessageSent)} == {"promotional"}


async def test_a_text_is_billed_by_the_parts_that_the_settings_say(make_runtime: MakeRuntime, panel: Panel) -> None:
    runtime = await make_runtime(SERVICE, part_units=(160, 153, 66, 63))
    async with runtime.db.transaction() as tx:
        await ensure_sandbox_accounts(tx, runtime.settings, base_url=panel.base_url)
    [message] = await queued(runtime, intent(await known_person(runtime), "آ" * 67))
    await turn(runtime, SEND)
    async with api.client(runtime) as client:
        sent = (await client.get(f"/v1/messages/{message}")).json()
        template = {"code": "long", "purpose": "service", "title": "x", "title_fa": "x"}
        await client.post("/v1/templates", json={**template, "bodies": {"fa": {"text": "آ" * 67}}})
        preview = (await client.post("/v1/templates/long/preview", json={})).json()

    assert (sent["status"], sent["parts"], preview["parts"]) == ("sent", 2, 2)


async def test_a_text_that_the_panel_does_not_take_says_nothing_against_its_number(
    make_runtime: MakeRuntime, panel: Panel
) -> None:
    runtime = await make_runtime(SERVICE, longest_sms=1_000)
    async with runtime.db.transaction() as tx:
        await ensure_sandbox_accounts(tx, runtime.settings, base_url=panel.base_url)
    person = await known_person(runtime)
    for text in ("آ" * 901, "سلام"):
        await queued(runtime, intent(person, text))
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("failed", "invalid_number"), ("sent", None)]


@pytest.mark.usefixtures("accounts")
async def test_the_erased_get_nothing_and_nothing_of_them_is_kept(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person, "سلام سارا"))
    await turn(runtime, SEND)
    [waiting] = await queued(runtime, intent(person, "دوباره سلام سارا"))
    await deliver(runtime, captured(person))
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person))
    for clock in ("step automations", SEND, "send service"):
        await turn(runtime, clock)
    await deliver(runtime, captured(person))
    for clock in ("step automations", "send service"):
        await turn(runtime, clock)

    assert len(await panel.texts(SARA_PHONE)) == 1
    assert await statuses(runtime, [waiting]) == [("cancelled", "erased")]
    for table in ("messages", "contact_cards", "automation_runs", "inbound_messages", "suppressions"):
        kept = await fetchval(runtime, f"SELECT string_agg(kept::text, ' ') FROM {table} kept") or ""
        assert "سارا" not in kept
        assert "9990001234" not in kept
    gone = await client.post("/v1/messages", json={"person_id": str(person), "template": "welcome"})
    assert (gone.status_code, gone.json()["code"]) == (410, "person_erased")


@pytest.mark.usefixtures("accounts")
async def test_a_tombstone_cancels_what_waits_for_a_card(runtime: Runtime) -> None:
    person = new_id()
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    await deliver(runtime, person)
    with moved(timedelta(seconds=6)):
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("suppressed", "erased")]


@pytest.mark.usefixtures("accounts")
async def test_without_a_card_for_ten_minutes_a_message_is_given_up(runtime: Runtime) -> None:
    await queued(runtime, intent(new_id()))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("held", "awaiting_card")]
    with moved(timedelta(seconds=601)):
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("suppressed", "no_card")]


@pytest.mark.usefixtures("accounts")
async def test_an_id_that_was_merged_is_reached_by_the_card_of_the_one_that_lives(
    runtime: Runtime, panel: Panel
) -> None:
    first, second, lives = new_id(), new_id(), card(kind="customer")
    await deliver(
        runtime,
        CustomerMerged(occurred_at=utcnow(), person_id=second, merged_id=first),
        CustomerMerged(occurred_at=utcnow(), person_id=lives.person_id, merged_id=second),
        lives,
    )
    await queued(runtime, intent(first, needs_topic=LEADS_CONTACTS, needs_version=1))
    await turn(runtime, SEND)

    assert len(await panel.texts(SARA_PHONE)) == 1


@pytest.mark.usefixtures("accounts")
async def test_the_customers_card_wins_over_that_of_leads_in_any_order(runtime: Runtime, panel: Panel) -> None:
    person = new_id()
    await deliver(runtime, card(person, kind="customer", phones=("+989990007777",)))
    await deliver(runtime, card(person))
    await queued(runtime, intent(person))
    await turn(runtime, SEND)

    assert [text["to"] for text in await panel.texts()] == ["09990007777"]


@pytest.mark.usefixtures("accounts")
async def test_somebody_of_whom_one_card_is_left_is_not_erased(runtime: Runtime, panel: Panel) -> None:
    person = new_id()
    await deliver(runtime, card(person, kind="customer"))
    await deliver(runtime, person, topic=LEADS_CONTACTS)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)

    assert len(await panel.texts(SARA_PHONE)) == 1


async def test_messages_are_listed_by_what_is_asked_and_masked_without_leave(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    person = new_id()
    await queued(runtime, *(intent(person, str(n)) for n in range(3)), intent(new_id()))
    await execute(runtime, "UPDATE messages SET address = $1, text = 'راز' WHERE person_id = $2", SARA_PHONE, person)

    page = (await client.get("/v1/messages", params={"person_id": str(person), "limit": 2})).json()
    rest = {"person_id": str(person), "limit": 2, "cursor": page["next_cursor"]}
    assert len(page["items"]) + len((await client.get("/v1/messages", params=rest)).json()["items"]) == 3
    assert (await client.get("/v1/messages", params={"from": "2026-11-22T09:00:00"})).status_code == 422
    later = {"from": (utcnow() + timedelta(minutes=1)).isoformat()}
    assert (await client.get("/v1/messages", params=later)).json()["items"] == []
    assert (await client.get("/v1/messages", params={"status": "sent"})).json()["items"] == []
    async with api.client(runtime, ["messaging:read"]) as clerk:
        [seen, *_] = (await clerk.get("/v1/messages", params={"person_id": str(person)})).json()["items"]
        assert (await clerk.post("/v1/messages", json={})).status_code == 403
    assert (seen["address"], seen["text"]) == ("+98999•••34", None)


@pytest.mark.usefixtures("accounts")
async def test_what_is_published_of_messages_names_nobody(runtime: Runtime) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person, "سلام سارا", variables={"name": "سارا"}))
    await turn(runtime, SEND)

    assert len(await published(runtime, MessageSent)) == 1
    bodies = await fetchval(runtime, "SELECT string_agg(convert_from(body, 'UTF8'), ' ') FROM outbox")
    assert "سارا" not in bodies
    assert "9990001234" not in bodies
