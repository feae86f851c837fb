"""What people write: opt-outs, answers and unknown senders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.messaging.inbound.parsing import Meaning, read
from services.messaging.inbound.receiving import receive
from services.messaging.providers.protocol import InboundSms
from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerErased
from shared.contracts.messaging import OptOutRecorded, OptOutWithdrawn, ReplyReceived
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.people import SARA_PHONE, card
from tests.messaging.sending import execute, fetchval, intent, known_person, queued, statuses, waits_or_is_done
from tests.support import api
from tests.support.events import deliver, published, turn
from tests.support.eventually import eventually

POLL = "poll inbound messages"
SEND = "send transactional"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("11", Meaning("opt_out")),
        ("۱۱", Meaning("opt_out")),
        ("١١", Meaning("opt_out")),
        (" ۱۱ .", Meaning("opt_out")),
        ("لغو۱۱", Meaning("opt_out")),
        ("لغو ۱۱", Meaning("opt_out")),
        ("لغو", Meaning("opt_out")),
        ("12", Meaning("rejoin")),
        ("۱۲", Meaning("rejoin")),
        ("١٢", Meaning("rejoin")),
        ("۲", Meaning("reply", number=2)),
        ("٢", Meaning("reply", number=2)),
        (" 2 ", Meaning("reply", number=2)),
        ("۱ ۰", Meaning("reply", number=10)),
        ("۱۲۳۴", Meaning("reply", number=1234)),
        ("سه", Meaning("reply", number=3)),
        ("بله", Meaning("reply", keyword="yes")),
        ("آري", Meaning("reply", keyword="yes")),
        ("خیر", Meaning("reply", keyword="no")),
        ("نه", Meaning("reply")),
        ("-5", Meaning("reply")),
        ("ساعت ۵ زنگ بزنید", Meaning("reply")),
        ("سارا نمونه", Meaning("reply")),
        ("٪", Meaning("reply")),
        ("", Meaning("reply")),
        ("۱۲۳۴۵", Meaning("reply")),
        ("५", Meaning("reply")),
    ],
)
def test_a_text_is_read_in_any_digits_and_nothing_is_read_into_it(text: str, meaning: Meaning) -> None:
    assert read(text) == meaning


@pytest.mark.usefixtures("accounts")
async def test_who_answers_11_gets_nothing_more_from_the_line_until_they_answer_12(
    runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await panel.reply(SARA_PHONE, "۱۱")
    await eventually(lambda: polled(runtime, 1))
    await queued(runtime, intent(person, "یک"))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("suppressed", "opted_out")]

    await panel.reply(SARA_PHONE, "١٢")
    with moved(timedelta(seconds=6)):
        await eventually(lambda: polled(runtime, 2))
    await queued(runtime, intent(person, "دو"))
    await turn(runtime, SEND)
    assert [text["text"] for text in await panel.texts(SARA_PHONE)] == ["دو"]
    [recorded] = await published(runtime, OptOutRecorded)
    [withdrawn] = await published(runtime, OptOutWithdrawn)
    assert (recorded.line, recorded.source, withdrawn.line) == (LINE, "reply", LINE)


async def polled(runtime: Runtime, count: int) -> bool:
    await turn(runtime, POLL)
    return bool(await fetchval(runtime, "SELECT count(*) FROM inbound_messages") == count)


@pytest.mark.usefixtures("accounts")
async def test_an_opt_out_outlives_the_person_and_keeps_only_a_hash(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.reply(SARA_PHONE, "۱۱")
    await eventually(lambda: polled(runtime, 1))
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person))

    somebody_new = await known_person(runtime)
    await queued(runtime, intent(somebody_new))
    await turn(runtime, SEND)

    assert await statuses(runtime) == [("suppressed", "opted_out")]
    assert await fetchval(runtime, "SELECT person_id FROM suppressions") is None
    kept = await fetchval(runtime, "SELECT string_agg(inbound::text, ' ') FROM inbound_messages inbound")
    assert "9990001234" not in kept


@pytest.mark.usefixtures("accounts")
async def test_an_answer_is_published_as_a_number_without_its_text(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.reply(SARA_PHONE, " ۲ ")
    await eventually(lambda: polled(runtime, 1))

    [reply] = await published(runtime, ReplyReceived)
    assert (reply.person_id, reply.number, reply.keyword, reply.line) == (person, 2, None, LINE)


@pytest.mark.usefixtures("accounts")
async def test_an_unknown_sender_stays_in_the_inbox_until_a_card_has_the_number(runtime: Runtime, panel: Panel) -> None:
    await panel.reply(SARA_PHONE, "۵")
    await eventually(lambda: polled(runtime, 1))
    assert await published(runtime, ReplyReceived) == []

    person = await known_person(runtime)

    [reply] = await published(runtime, ReplyReceived)
    assert (reply.person_id, reply.number) == (person, 5)


async def test_a_text_that_is_stored_while_its_senders_card_is_becomes_theirs(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    text = InboundSms(line=LINE, sender=SARA_PHONE, text="۵", received_at=utcnow())
    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, [text], runtime.settings, utcnow())
        person = await known_person(runtime)
    assert await published(runtime, ReplyReceived) == []
    for _ in range(2):
        await turn(runtime, "match inbound messages")

    assert [(reply.person_id, reply.number) for reply in await published(runtime, ReplyReceived)] == [(person, 5)]


@pytest.mark.usefixtures("accounts")
async def test_on_a_shared_phone_the_one_we_wrote_to_last_is_answering(runtime: Runtime, panel: Panel) -> None:
    mother, son = card(phones=(), shared_phones=(SARA_PHONE,)), card(first_name="سهند", phones=(SARA_PHONE,))
    await deliver(runtime, mother, son)
    for asked in (mother, son):
        await queued(runtime, intent(asked.person_id))
        await turn(runtime, SEND)
    await panel.reply(SARA_PHONE, "۴")
    await eventually(lambda: polled(runtime, 1))

    assert [reply.person_id for reply in await published(runtime, ReplyReceived)] == [son.person_id]


@pytest.mark.usefixtures("accounts")
async def test_what_a_process_died_with_is_found_by_the_sweep_and_nothing_is_read_twice(
    runtime: Runtime, panel: Panel
) -> None:
    await known_person(runtime)
    await panel.reply(SARA_PHONE, "۲")
    key = {"X-API-KEY": "peyvand-sandbox"}
    lost = await panel.http.get("/sandbox/smsir/v1/receive/latest", headers=key)
    assert len(lost.json()["data"]) == 1

    for _ in range(2):
        await turn(runtime, "sweep inbound messages")
        await turn(runtime, POLL)
    assert len(await published(runtime, ReplyReceived)) == 1


@pytest.mark.parametrize("pushed", [{}, {"messageid": 5_000_001}])
@pytest.mark.parametrize("first", ["webhook", "poll", "sweep"])
async def test_one_text_heard_of_in_three_ways_is_one_answer(
    first: str, pushed: dict[str, Any], client: httpx.AsyncClient, runtime: Runtime, panel: Panel,
    accounts: SandboxAccounts,
) -> None:  # fmt: skip
    await known_person(runtime)
    await panel.reply(SARA_PHONE, "۲")
    said = {"from": SARA_PHONE, "to": LINE, "text": "۲", **pushed}
    ways = ways_of_hearing(runtime, client, accounts, said)

    for way in (first, "webhook", "poll", "sweep", "webhook"):
        with moved(timedelta(seconds=2)):
            await ways[way]()

    assert [reply.number for reply in await published(runtime, ReplyReceived)] == [2]


@pytest.mark.parametrize("pushed", [{}, {"messageid": 5_000_001}])
@pytest.mark.parametrize("first", ["webhook", "poll", "sweep"])
async def test_a_text_that_an_erasure_emptied_is_not_kept_anew_when_it_is_heard_of_again(
    first: str, pushed: dict[str, Any], client: httpx.AsyncClient, runtime: Runtime, panel: Panel,
    accounts: SandboxAccounts,
) -> None:  # fmt: skip
    person = await known_person(runtime)
    await panel.reply(SARA_PHONE, "کلید")
    said = {"from": SARA_PHONE, "to": LINE, "text": "کلید", **pushed}
    ways = ways_of_hearing(runtime, client, accounts, said)
    await ways[first]()
    assert await kept_texts(runtime) == ["کلید"]

    await deliver(runtime, person, CustomerErased(occurred_at=utcnow(), person_id=person))
    with moved(timedelta(seconds=2)):
        for way in ways.values():
            await way()

    assert await kept_texts(runtime) == [None]


@pytest.mark.parametrize("first", ["webhook", "poll"])
async def test_a_text_that_is_told_in_two_ways_at_the_same_instant_is_one_answer(
    runtime: Runtime, accounts: SandboxAccounts, first: str
) -> None:
    """The webhook tells no time and no id, the poll both: no index can tell that they are one."""
    await known_person(runtime)
    now = utcnow()
    pushed = InboundSms(line=LINE, sender=SARA_PHONE, text="۴", received_at=now, exact=False)
    polled = InboundSms(line=LINE, sender=SARA_PHONE, text="۴", received_at=now - timedelta(seconds=2), provider_id="7")
    told = [pushed, polled] if first == "webhook" else [polled, pushed]

    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, [told[0]], runtime.settings, now)
        other = asyncio.create_task(hear(runtime, accounts, told[1]))
        await eventually(lambda: waits_or_is_done(runtime, other))
    await other

    assert await fetchval(runtime, "SELECT count(*) FROM inbound_messages") == 1
    assert [reply.number for reply in await published(runtime, ReplyReceived)] == [4]


async def hear(runtime: Runtime, accounts: SandboxAccounts, text: InboundSms) -> None:
    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, [text], runtime.settings, utcnow())


async def test_another_text_to_a_line_where_one_was_just_emptied_is_kept(
    client: httpx.AsyncClient, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    said = {"from": SARA_PHONE, "to": LINE, "text": "کلید"}
    await ways_of_hearing(runtime, client, accounts, said)["webhook"]()
    await deliver(runtime, person, CustomerErased(occurred_at=utcnow(), person_id=person))
    await panel.reply("+989990005678", "سلام")
    await turn(runtime, POLL)

    assert await kept_texts(runtime) == [None, "سلام"]


async def kept_texts(runtime: Runtime) -> list[str | None]:
    kept: list[str | None] = await fetchval(runtime, "SELECT array_agg(text ORDER BY id) FROM inbound_messages")
    return kept


def ways_of_hearing(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts, said: dict[str, Any]
) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "webhook": lambda: client.post(accounts.webhook_paths["inbound"], json=said),
        "poll": lambda: turn(runtime, POLL),
        "sweep": lambda: turn(runtime, "sweep inbound messages"),
    }


async def test_two_answers_with_ids_of_their_own_are_two(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    for message in (1, 2, 2):
        said = {"from": SARA_PHONE, "to": LINE, "text": "۲", "messageid": message}
        await client.post(accounts.webhook_paths["inbound"], json=said)

    assert len(await published(runtime, ReplyReceived)) == 2


async def test_without_leave_to_see_personal_data_numbers_are_masked_and_texts_left_out(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await client.post(accounts.webhook_paths["inbound"], json={"from": SARA_PHONE, "to": LINE, "text": "راز"})
    async with api.client(runtime, ["messaging:read"]) as clerk:
        [seen] = (await clerk.get("/v1/inbound", params={"matched": False})).json()["items"]

    assert (seen["sender"], seen["text"]) == ("+98999•••34", None)


@pytest.mark.parametrize(("last_word", "held_back"), [("۱۱", 1), ("۱۲", 0)])
@pytest.mark.parametrize("in_order", [True, False])
async def test_the_word_that_was_sent_last_counts_in_whatever_order_they_are_told(
    last_word: str,
    held_back: int,
    in_order: bool,
    client: httpx.AsyncClient,
    runtime: Runtime,
    accounts: SandboxAccounts,
) -> None:
    first, last = ("۱۲", "۱۱") if last_word == "۱۱" else ("۱۱", "۱۲")
    at = int(utcnow().timestamp()) - 3_600
    said = [
        {"from": SARA_PHONE, "to": LINE, "text": text, "time": at + place} for place, text in enumerate((first, last))
    ]
    for each in said if in_order else reversed(said):
        await client.post(accounts.webhook_paths["inbound"], json=each)

    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == held_back


async def test_a_12_that_was_sent_before_an_opt_out_by_the_api_does_not_lift_it(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    sent_at = int(utcnow().timestamp()) - 60
    await client.post("/v1/suppressions", json={"phone": SARA_PHONE, "line": LINE})
    said = {"from": SARA_PHONE, "to": LINE, "text": "۱۲", "time": sent_at}
    await client.post(accounts.webhook_paths["inbound"], json=said)

    assert await fetchval(runtime, "SELECT count(*) FROM suppressions") == 1


async def test_a_later_word_to_another_line_does_not_count(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    at = int(utcnow().timestamp()) - 3_600
    for line, text, place in (("30001", "۱۲", 1), (LINE, "۱۱", 0)):
        said = {"from": SARA_PHONE, "to": line, "text": text, "time": at + place}
        await client.post(accounts.webhook_paths["inbound"], json=said)

    assert [event.line for event in await published(runtime, OptOutRecorded)] == [LINE]


async def test_a_text_of_an_agent_is_nobodys_answer(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await deliver(runtime, card(kind="agent"))
    await client.post(accounts.webhook_paths["inbound"], json={"from": SARA_PHONE, "to": LINE, "text": "۲"})

    assert await published(runtime, ReplyReceived) == []


async def test_one_answer_to_each_of_two_lines_is_two(
    client: httpx.AsyncClient, runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    for line in (LINE, "30001"):
        await client.post(accounts.webhook_paths["inbound"], json={"from": SARA_PHONE, "to": line, "text": "۲"})

    assert [reply.line for reply in await published(runtime, ReplyReceived)] == [LINE, "30001"]


async def test_answers_that_are_told_at_once_are_published_in_the_order_of_their_sending(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    await known_person(runtime)
    now = utcnow()
    texts = [
        InboundSms(line=LINE, sender=SARA_PHONE, text=str(place), received_at=now - timedelta(minutes=place))
        for place in range(6)
    ]
    async with runtime.db.transaction() as tx:
        await receive(tx, accounts.sms_id, texts, runtime.settings, now)

    assert [reply.number for reply in await published(runtime, ReplyReceived)] == [5, 4, 3, 2, 1, 0]


async def test_an_account_is_asked_for_texts_every_few_seconds_and_only_while_it_is_in_use(
    runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    heard = []
    for seconds, active in ((0, True), (1, True), (6, True), (12, False)):
        await panel.reply(SARA_PHONE, f"{seconds}")
        await execute(runtime, "UPDATE provider_accounts SET active = $2 WHERE id = $1", accounts.sms_id, active)
        with moved(timedelta(seconds=seconds)):
            await turn(runtime, POLL)
        heard.append(await fetchval(runtime, "SELECT count(*) FROM inbound_messages"))

    assert heard == [1, 1, 3, 3]


async def test_one_answer_that_was_sent_at_two_times_is_two(runtime: Runtime, accounts: SandboxAccounts) -> None:
    await known_person(runtime)
    now = utcnow()
    for ago in (20, 10):
        sent_at = now - timedelta(seconds=ago)
        await hear(runtime, accounts, InboundSms(line=LINE, sender=SARA_PHONE, text="۲", received_at=sent_at))

    assert len(await published(runtime, ReplyReceived)) == 2
