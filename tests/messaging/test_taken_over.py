"""What becomes of messages whose later statuses a restored database takes over from the log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.messaging.messages.relearning import take_over
from services.messaging.messages.telling import TOLD
from shared.clock import utcnow
from shared.contracts import Received
from shared.contracts.messaging import MessageEvent, MessageSent, MessageUnknown
from shared.ids import new_id
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE
from tests.messaging.sending import claimed, fetchval, intent, known_person, queued, statuses
from tests.support.events import turn

pytestmark = pytest.mark.usefixtures("accounts")


async def taken_over(runtime: Runtime, kind: type[MessageEvent], message_id: UUID, person: UUID, **more: Any) -> None:
    """Have the log say how far a message had come."""
    known = {"person_id": person, "channel": "sms", "purpose": "transactional", **more}
    told: dict[str, Any] = dict.fromkeys(TOLD) | known
    event = kind(occurred_at=utcnow(), message_id=message_id, **told)
    async with runtime.db.transaction() as tx:
        await take_over(tx, Received(event, event.key, {"ce_type": event.type}))


async def test_an_equal_text_does_not_wait_for_one_that_the_log_says_was_sent(runtime: Runtime, panel: Panel) -> None:
    """The copy was made amid the call."""
    person = await known_person(runtime)
    [message] = await queued(runtime, intent(person))
    await claimed(runtime)
    await taken_over(runtime, MessageSent, message, person, parts=1)
    await queued(runtime, intent(person))
    await turn(runtime, "send transactional")

    assert await statuses(runtime) == [("sent", None), ("sent", None)]
    assert len(await panel.texts(SARA_PHONE)) == 1
    assert await fetchval(runtime, "SELECT count(*) FROM in_flight") == 0


@pytest.mark.parametrize("known", [True, False])
async def test_what_nobody_knows_and_nothing_is_left_to_look_for_it_by_ends_to_be_settled_by_hand(
    runtime: Runtime, *, known: bool
) -> None:
    person = await known_person(runtime)
    message = (await queued(runtime, intent(person)))[0] if known else new_id()
    await taken_over(runtime, MessageUnknown, message, person, reason="timeout")
    await turn(runtime, "reconcile unknown messages")

    assert await statuses(runtime) == [("unknown", "cannot_be_reconciled")]
    assert await fetchval(runtime, "SELECT ended_at IS NOT NULL FROM messages")
