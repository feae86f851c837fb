"""What becomes of a message whose receiver is erased while it is being sent by a process that dies."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from services.messaging.providers.usecases import SandboxAccounts
from shared.clock import moved, utcnow
from shared.contracts.customers import CustomerErased
from shared.contracts.messaging import MessageSent, MessageSuppressed
from shared.service import Runtime
from tests.messaging.conftest import Panel
from tests.messaging.sending import (
    accepted,
    claimed,
    execute,
    fetchval,
    intent,
    known_person,
    plain_digest_of,
    queued,
    statuses,
)
from tests.support.events import deliver, published, turn

pytestmark = pytest.mark.usefixtures("accounts")


async def erased(runtime: Runtime, person: UUID) -> None:
    await deliver(runtime, CustomerErased(occurred_at=utcnow(), person_id=person))


async def missed(runtime: Runtime) -> None:
    """Find out what became of what was left amid a call, and go on."""
    with moved(timedelta(seconds=runtime.settings.lease_s + 1)):
        await turn(runtime, "expire sending leases")
        await turn(runtime, "reconcile unknown messages")
        await turn(runtime, "send transactional")


async def test_what_the_panel_accepted_is_found_in_its_reports_though_its_receiver_was_erased_meanwhile(
    runtime: Runtime, client: httpx.AsyncClient, accounts: SandboxAccounts, panel: Panel
) -> None:
    """And what was reported of it before is applied at once."""
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    message = await accepted(runtime)
    said = {"messageId": (await panel.texts())[0]["id"], "deliveryState": 1}
    await client.post(accounts.webhook_paths["delivery"], json=said)
    await erased(runtime, person)
    await missed(runtime)

    assert await statuses(runtime) == [("delivered", None)]
    assert [event.message_id for event in await published(runtime, MessageSent)] == [message.message_id]
    assert len(await panel.texts()) == 1
    assert await fetchval(runtime, "SELECT count(*) FROM in_flight") == 0


async def test_what_the_panel_never_got_is_not_sent_to_somebody_who_was_erased_meanwhile(
    runtime: Runtime, panel: Panel
) -> None:
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    await claimed(runtime)
    await erased(runtime, person)
    await missed(runtime)

    assert await statuses(runtime) == [("suppressed", "erased")]
    assert [event.reason for event in await published(runtime, MessageSuppressed)] == ["erased"]
    assert await panel.texts() == []
    assert await fetchval(runtime, "SELECT count(*) FROM in_flight") == 0


async def test_an_equal_text_to_the_number_waits_while_that_to_its_erased_owner_is_on_its_way(runtime: Runtime) -> None:
    """Else what the panel says of the one could be taken for the other."""
    person = await known_person(runtime)
    await queued(runtime, intent(person))
    await claimed(runtime)
    await erased(runtime, person)
    await queued(runtime, intent(await known_person(runtime)))
    await turn(runtime, "send transactional")

    assert await statuses(runtime) == [("sending", None), ("queued", "equal_in_flight")]


async def test_what_the_version_before_had_on_its_way_is_found_by_the_text_itself(
    runtime: Runtime, panel: Panel
) -> None:
    """Its digest has no key."""
    await queued(runtime, intent(await known_person(runtime)))
    await accepted(runtime)
    await execute(runtime, "UPDATE in_flight SET flight = $1", plain_digest_of("سلام"))
    await missed(runtime)

    assert await statuses(runtime) == [("sent", None)]
    assert len(await panel.texts()) == 1
