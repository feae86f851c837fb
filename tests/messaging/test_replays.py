"""Events that were dead, as a handler refused them, and are replayed once it is mended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.bus import TopicPartition
from shared.clock import moved
from shared.contracts import Event
from shared.db import driver
from shared.outbox import deadletters
from shared.outbox.drain import drain
from shared.outbox.parking import Parking, park
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.people import SARA_PHONE, captured, card
from tests.support.events import deliver, record_of, turn

pytestmark = pytest.mark.usefixtures("accounts")


async def die(runtime: Runtime, event: Event) -> None:
    """Leave an event as one that failed in every try."""
    record, parking = record_of(event), Parking()
    parking.fail(record, "No.")
    async with runtime.db.transaction() as tx:
        await park(driver(tx), "messaging", TopicPartition(record.topic, record.partition), parking)
        await driver(tx).execute("UPDATE parked SET state = 'dead'")


async def replay(runtime: Runtime) -> None:
    """Replay what is dead, and do what it leads to."""
    assert await deadletters.replay(runtime.db, "messaging") == 1
    assert await drain(runtime) == 1
    await turn(runtime, "step automations")
    await turn(runtime, "send service")


async def test_a_lead_is_acknowledged_once_however_often_it_is_replayed(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    lead = captured(sara.person_id)
    await deliver(runtime, sara)
    for _ in range(2):  # as where a database is restored from a copy that holds it as dead still
        await die(runtime, lead)
        await replay(runtime)

    assert len(await panel.texts(SARA_PHONE)) == 1


async def test_a_lead_that_is_replayed_a_day_late_is_acknowledged_no_more(runtime: Runtime, panel: Panel) -> None:
    sara = card()
    await deliver(runtime, sara)
    await die(runtime, captured(sara.person_id))
    with moved(timedelta(hours=25)):
        await replay(runtime)

    assert await panel.texts() == []
