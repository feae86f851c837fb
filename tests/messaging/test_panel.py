"""Sending over real HTTP to a panel that misbehaves: nothing is sent twice, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from services.messaging.messages.claiming import Claimed
from services.messaging.messages.delivery import store_reports
from services.messaging.messages.reconciliation import reconcile
from services.messaging.messages.results import backoff, store_answers
from services.messaging.messages.sending import Caller
from services.messaging.messages.sending import deliver as deliver_claimed
from services.messaging.providers.protocol import Fate, Outgoing, Refused, Report, Result, Scope
from services.messaging.providers.schemas import LineIn, ProviderCreate
from services.messaging.providers.smsir import SmsIr
from services.messaging.providers.usecases import SandboxAccounts, create_account
from shared.clock import moved, utcnow
from shared.contracts.messaging import MessageFailed, MessageSent, MessageUnknown, OptOutRecorded
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import accepted, claimed, execute, fetchval, intent, known_person, queued, statuses
from tests.support.events import published, turn
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("accounts")

SEND = "send transactional"
RECONCILE = "reconcile unknown messages"


async def settle(runtime: Runtime, panel: Panel) -> None:
    """Let reconciliation and sending go on until the one message is sent: once."""

    async def sent() -> bool:
        await turn(runtime, RECONCILE)
        await turn(runtime, SEND)
        return await statuses(runtime) == [("sent", None)]

    with moved(timedelta(seconds=10)):
        assert await eventually(sent)
        assert len(await panel.texts(SARA_PHONE)) == 1


@pytest.mark.parametrize("fault", ["timeout_after_accept", "close_connection"])
async def test_an_unanswered_send_is_found_in_the_reports_and_not_sent_again(
    fault: str, runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await panel.fault(fault, count=1, delay_s=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)

    [(status, reason)] = await statuses(runtime)
    assert (status, reason) in {("unknown", "timeout"), ("unknown", "connection_lost")}
    await settle(runtime, panel)
    assert [type(event) for event in await published(runtime)][1:] == [MessageUnknown, MessageSent]


async def test_an_unanswered_send_that_the_panel_never_took_is_sent_again(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.fault("slow", count=1, delay_s=1)
    await panel.fault("http_500", count=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("unknown", "timeout")]
    await eventually(lambda: _is_over(panel))

    await settle(runtime, panel)


async def _is_over(panel: Panel) -> bool:
    return not (await panel.http.get("/sandbox/faults")).json()["items"]


async def test_a_process_killed_after_the_panel_accepted_sends_nothing_twice(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    await accepted(runtime)

    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        await turn(runtime, SEND)
        await turn(runtime, "expire sending leases")
        assert await statuses(runtime) == [("unknown", "lease_expired")]
        await turn(runtime, RECONCILE)

    assert await statuses(runtime) == [("sent", None)]
    assert len(await panel.texts(SARA_PHONE)) == 1


async def test_a_process_killed_before_its_call_has_the_message_sent_once(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    await claimed(runtime)

    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        await turn(runtime, "expire sending leases")
        assert await statuses(runtime) == [("unknown", "lease_expired")]
        assert await panel.texts(SARA_PHONE) == []
        await settle(runtime, panel)


async def test_an_answer_that_comes_after_the_lease_still_settles_the_message(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    taken = await claimed(runtime)
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        await turn(runtime, "expire sending leases")
    await deliver_claimed(runtime, taken)

    assert await statuses(runtime) == [("sent", None)]
    assert await fetchval(runtime, "SELECT count(*) FROM in_flight") == 0


async def test_a_report_that_comes_while_its_message_is_being_marked_is_applied_by_a_turn(
    runtime: Runtime, accounts: SandboxAccounts
) -> None:
    """Neither transaction sees the other's."""
    [message] = await queued(runtime, intent(await known_person(runtime)))
    taken, reports = await claimed(runtime), "apply delivery reports"
    async with runtime.db.transaction() as tx:
        answers = {message: Result(Fate.ACCEPTED, "1")}
        await store_answers(tx, taken.send_id, accounts.sms_id, answers, runtime.settings, utcnow())
        async with runtime.db.transaction() as other:
            await store_reports(other, accounts.sms_id, [("1", "1")], utcnow())
        assert await turn(runtime, reports) == 0
    assert await turn(runtime, reports) == 1

    assert await statuses(runtime) == [("delivered", None)]


@pytest.mark.parametrize("fault", ["http_429", "http_500"])
async def test_a_refusal_that_passes_is_tried_again_with_a_pause(fault: str, runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.fault(fault, count=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    assert (await statuses(runtime))[0][0] == "queued"
    assert await panel.texts() == []

    with moved(timedelta(seconds=2)):
        await turn(runtime, SEND)
        assert len(await panel.texts(SARA_PHONE)) == 1


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (10, 512), (11, 600), (2_000, 600)])
def test_what_is_refused_rests_twice_as_long_each_time_and_ten_minutes_at_most(attempts: int, seconds: int) -> None:
    assert backoff(attempts) == timedelta(seconds=seconds)


async def test_a_message_outlasts_a_panel_that_is_down_for_half_a_day(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.fault("http_500")
    await queued(runtime, intent(person))
    for attempt in range(72):
        with moved(timedelta(minutes=10 * attempt)):
            await turn(runtime, SEND)
    await panel.no_faults()
    with moved(timedelta(hours=12, minutes=10)):
        await turn(runtime, SEND)
        assert len(await panel.texts(SARA_PHONE)) == 1


async def test_a_message_that_is_refused_until_it_is_stale_has_failed(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.fault("http_429")
    await queued(runtime, intent(person))
    await execute(runtime, "UPDATE messages SET attempts = 2000")
    with moved(timedelta(hours=23, minutes=55)):
        await turn(runtime, SEND)

    assert await statuses(runtime) == [("failed", "smsir_20")]
    assert [event.reason for event in await published(runtime, MessageFailed)] == ["smsir_20"]


async def test_a_blacklisted_number_is_remembered_for_the_purpose(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await panel.fault("blacklist", number=SARA_PHONE)
    await queued(runtime, intent(person, purpose="service"))
    await turn(runtime, "send service")
    await queued(runtime, intent(person, "دوباره", purpose="service"), intent(person, "کد ۱۲۳"))
    await panel.no_faults()
    await turn(runtime, "send service")
    await turn(runtime, SEND)

    assert sorted(await statuses(runtime), key=str) == [
        ("failed", "blacklisted"),
        ("sent", None),
        ("suppressed", "blacklisted"),
    ]
    assert [event.source for event in await published(runtime, OptOutRecorded)] == ["blacklist"]


async def test_an_account_that_is_refused_is_paused_and_another_one_sends(
    runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    await _add_account(runtime, "wrong", panel.base_url, priority=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)

    assert len(await panel.texts(SARA_PHONE)) == 1
    query = "SELECT paused_reason FROM provider_accounts WHERE name = 'wrong'"
    assert await fetchval(runtime, query) == "smsir_10"
    assert await fetchval(runtime, "SELECT attempts FROM messages") == 1
    assert await fetchval(runtime, "SELECT account_id FROM messages") == accounts.sms_id


@pytest.mark.parametrize("fault", ["http_429", "http_500"])
async def test_a_message_that_an_account_refuses_for_now_goes_over_the_next_one(
    fault: str, runtime: Runtime, panel: Panel, accounts: SandboxAccounts
) -> None:
    person = await known_person(runtime)
    await panel.fault(fault, count=1)
    await _add_account(runtime, "second", panel.base_url, priority=200, secret="peyvand-sandbox")
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    assert await panel.texts() == []
    with moved(timedelta(seconds=2)):
        await turn(runtime, SEND)
        assert len(await panel.texts(SARA_PHONE)) == 1
    assert await fetchval(runtime, "SELECT account_id FROM messages") != accounts.sms_id


@pytest.mark.usefixtures("accounts")
async def test_a_message_goes_over_the_next_account_while_a_panel_cannot_be_reached(
    runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await _add_account(runtime, "away", "http://127.0.0.1:9", priority=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)
    assert await statuses(runtime) == [("queued", "unreachable")]
    with moved(timedelta(seconds=2)):
        await turn(runtime, SEND)
        assert len(await panel.texts(SARA_PHONE)) == 1


async def test_what_may_have_been_sent_goes_over_no_other_account_before_it_is_known(
    runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await _add_account(runtime, "second", panel.base_url, priority=200, secret="peyvand-sandbox")
    await panel.fault("timeout_after_accept", count=1, delay_s=1)
    await queued(runtime, intent(person))
    for seconds in (0, 2, 10):
        with moved(timedelta(seconds=seconds)):
            await turn(runtime, SEND)
            await turn(runtime, "reconcile unknown messages")

    assert await statuses(runtime) == [("sent", None)]
    assert len(await panel.texts(SARA_PHONE)) == 1


async def _add_account(runtime: Runtime, name: str, base_url: str, *, priority: int, secret: str = "no key") -> None:
    line = LineIn(number=LINE, purposes=["transactional"])
    new = ProviderCreate(name=name, kind="smsir", base_url=base_url, secret=secret, priority=priority, lines=[line])
    async with runtime.db.transaction() as tx:
        await create_account(tx, new, runtime.settings)


async def test_equal_texts_share_a_call_and_different_ones_too(runtime: Runtime, panel: Panel) -> None:
    people = [await known_person(runtime, phones=(f"+9899900020{place:02}",)) for place in range(4)]
    same = [intent(person, "برای همه") for person in people]
    own = [intent(person, f"برای شمارهٔ {place}") for place, person in enumerate(people)]
    await queued(runtime, *same, *own)
    await turn(runtime, SEND)

    assert len(await panel.texts()) == 8
    assert await fetchval(runtime, "SELECT count(DISTINCT pack_id) FROM messages") == 2
    assert {status for status, _ in await statuses(runtime)} == {"sent"}


async def test_two_equal_texts_to_one_number_are_never_on_their_way_together(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person), intent(person))
    taken = await claimed(runtime)
    assert sum(len(messages) for messages in taken.by_account.values()) == 1
    assert sorted(await statuses(runtime), key=str) == [("queued", "equal_in_flight"), ("sending", None)]

    await deliver_claimed(runtime, taken)
    with moved(timedelta(seconds=3)):
        await turn(runtime, SEND)
        assert len(await panel.texts(SARA_PHONE)) == 2


async def test_two_senders_send_each_message_once(runtime: Runtime, panel: Panel) -> None:
    people = [await known_person(runtime, phones=(f"+9899900030{place:02}",)) for place in range(40)]
    await queued(runtime, *(intent(person, f"شمارهٔ {place}") for place, person in enumerate(people)))
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 1000")
    await asyncio.gather(*(turn(runtime, SEND) for _ in range(4)))

    texts = [text["text"] for text in await panel.texts()]
    assert sorted(texts) == sorted(f"شمارهٔ {place}" for place in range(40))


class Picky:
    """A panel that refuses every call with a bad text in it, or breaks down over it."""

    most = 100

    def __init__(self, scope: Scope = Scope.MESSAGE) -> None:
        self.scope = scope
        self.calls = 0

    def groups(self, messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
        return [list(messages)]

    async def send(self, messages: Sequence[Outgoing]) -> list[Result]:
        self.calls += 1
        if any(message.text == "bad" for message in messages):
            raise Refused(self.scope, "smsir_104")
        return [Result(Fate.ACCEPTED, str(message.message_id)) for message in messages]

    async def close(self) -> None: ...


@pytest.mark.parametrize("scope", [Scope.MESSAGE, Scope.BROKEN])
async def test_a_text_that_the_panel_refuses_or_breaks_down_over_does_not_sink_its_company(
    scope: Scope, runtime: Runtime
) -> None:
    nothing, panel = Claimed(new_id(), utcnow(), {}, {}), Picky(scope)
    messages = [Outgoing(new_id(), "30001", f"+98999000{n:04}", "bad" if n == 37 else "good") for n in range(100)]
    answers = await Caller(runtime, nothing, new_id(), panel).call(messages)

    refused = [message.text for message in messages if isinstance(answers[message.message_id], Refused)]
    assert refused == ["bad"]
    assert panel.calls < 20


async def test_a_panel_that_breaks_down_over_everything_is_left_alone_after_few_calls(runtime: Runtime) -> None:
    nothing, panel = Claimed(new_id(), utcnow(), {}, {}), Picky(Scope.BROKEN)
    messages = [Outgoing(new_id(), "30001", f"+98999000{n:04}", "bad") for n in range(100)]
    answers = await Caller(runtime, nothing, new_id(), panel).call(messages)

    assert all(isinstance(answer, Refused) for answer in answers.values())
    assert len(answers) == 100
    assert panel.calls < 12


async def test_an_account_that_cannot_be_opened_is_paused_and_stops_no_other(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime, emails=("sara@example.com",))
    await execute(runtime, "UPDATE provider_accounts SET secret = 'sealed with another key' WHERE kind = 'smtp'")
    await queued(runtime, intent(person), intent(person, channel="email"))
    await turn(runtime, SEND)

    assert len(await panel.texts(SARA_PHONE)) == 1
    assert set(await statuses(runtime)) == {("sent", None), ("held", "account_paused")}
    assert await fetchval(runtime, "SELECT paused_reason FROM provider_accounts WHERE kind = 'smtp'") == (
        "cannot_be_opened"
    )


async def test_a_search_that_outlasts_its_attempt_says_nothing_of_the_next(
    runtime: Runtime, panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await known_person(runtime)
    await panel.fault("timeout_after_accept", count=1, delay_s=1)
    await queued(runtime, intent(person))
    await turn(runtime, SEND)

    async def in_vain(_self: SmsIr, _since: datetime) -> AsyncIterator[Report]:
        """While this search goes on, another attempt is made, and nobody knows its end either."""
        await execute(runtime, "UPDATE messages SET send_id = $1, started_at = $2", new_id(), utcnow())
        for report in list[Report]():
            yield report

    monkeypatch.setattr(SmsIr, "sends", in_vain)
    with moved(timedelta(seconds=10)):
        await reconcile(runtime)

    assert (await statuses(runtime))[0][0] == "unknown"


async def test_a_landline_gets_no_sms(runtime: Runtime, panel: Panel) -> None:
    only_landline = await known_person(runtime, phones=("+982188880000",))
    both = await known_person(runtime, phones=("+982188880000", SARA_PHONE))
    await queued(runtime, intent(only_landline), intent(both))
    await turn(runtime, SEND)

    assert [text["to"] for text in await panel.texts()] == ["09990001234"]
    assert ("suppressed", "no_phone") in await statuses(runtime)
