"""Messages of which nobody knows whether they were sent: told of once, and taken for no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.messaging.messages.results import store_answers
from services.messaging.providers.protocol import Ambiguous, Fate, Result
from shared.clock import moved, utcnow
from shared.contracts.messaging import MessageSent, MessageUnknown
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import claimed, intent, known_person, queued, statuses
from tests.support.events import published, turn

pytestmark = pytest.mark.usefixtures("accounts")


async def test_an_end_that_nobody_knows_is_told_once_though_the_lease_ran_out_before_it(runtime: Runtime) -> None:
    await queued(runtime, intent(await known_person(runtime)))
    taken = await claimed(runtime)
    [(account_id, [outgoing])] = taken.by_account.items()
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        await turn(runtime, "expire sending leases")
    lost = {outgoing.message_id: Ambiguous("timeout")}
    async with runtime.db.transaction() as tx:
        await store_answers(tx, taken.send_id, account_id, lost, runtime.settings, utcnow())

    assert [event.reason for event in await published(runtime, MessageUnknown)] == ["lease_expired"]


async def test_an_answer_that_comes_once_a_message_was_given_up_leaves_it_to_be_settled_by_hand(
    runtime: Runtime,
) -> None:
    """A mail, as mail servers keep no reports: what is done with it is somebody's to say, and may be done already."""
    person = await known_person(runtime, emails=("sara@example.com",))
    [message] = await queued(runtime, intent(person, channel="email"))
    taken = await claimed(runtime)
    [account_id] = taken.by_account
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        for clock in ("expire sending leases", "reconcile unknown messages"):
            await turn(runtime, clock)
    late = {message: Result(Fate.ACCEPTED, "1")}
    async with runtime.db.transaction() as tx:
        await store_answers(tx, taken.send_id, account_id, late, runtime.settings, utcnow())

    assert await statuses(runtime) == [("unknown", "cannot_be_reconciled")]
    assert await published(runtime, MessageSent) == []


async def test_an_answer_that_comes_once_the_reports_have_told_of_its_message_is_not_told_again(
    runtime: Runtime,
) -> None:
    await queued(runtime, intent(await known_person(runtime)))
    taken = await claimed(runtime)
    [(account_id, [outgoing])] = taken.by_account.items()
    [late] = await runtime.resources.of(taken.accounts[account_id]).send([outgoing])
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        for clock in ("expire sending leases", "reconcile unknown messages"):
            await turn(runtime, clock)
    assert await statuses(runtime) == [("sent", None)]
    async with runtime.db.transaction() as tx:
        answers = {outgoing.message_id: late}
        await store_answers(tx, taken.send_id, account_id, answers, runtime.settings, utcnow())

    assert len(await published(runtime, MessageSent)) == 1


async def test_an_equal_text_that_was_sent_just_before_is_not_taken_for_one_that_was_not(
    runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    await turn(runtime, "send transactional")
    await queued(runtime, intent(person))
    await claimed(runtime)
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        for clock in ("expire sending leases", "reconcile unknown messages", "send transactional"):
            await turn(runtime, clock)
        assert len(await panel.texts(SARA_PHONE)) == 2
