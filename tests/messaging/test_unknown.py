"""Messages of which nobody knows whether they were sent: told of once, and taken for no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.messaging.messages.results import store_answers
from services.messaging.providers.protocol import Ambiguous
from shared.clock import moved, utcnow
from shared.contracts.messaging import MessageUnknown
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import claimed, intent, known_person, queued
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
