"""How many messages are looked at and sent, where accounts may send only so many a second."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.messaging.messages.sending import send_lane
from services.messaging.messages.statuses import Lane
from services.messaging.providers.schemas import LineIn, ProviderCreate
from services.messaging.providers.usecases import create_account
from shared.clock import moved, utcnow
from shared.contracts.messaging import Purpose
from shared.service import Runtime
from tests.messaging.conftest import LINE, Panel
from tests.messaging.sending import execute, intent, known_person, queued, statuses

pytestmark = pytest.mark.usefixtures("accounts")


async def add_account(runtime: Runtime, panel: Panel, purpose: Purpose) -> None:
    """Have another account, which is asked after the sandbox's own."""
    line = LineIn(number=LINE, purposes=[purpose])
    new = ProviderCreate(
        name="other", kind="smsir", base_url=panel.base_url, secret="peyvand-sandbox", priority=200, lines=[line]
    )
    async with runtime.db.transaction() as tx:
        await create_account(tx, new, runtime.settings)


async def test_an_account_sends_no_faster_than_its_rate(runtime: Runtime, panel: Panel) -> None:
    person = await known_person(runtime)
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 3, tokens = 0, tokens_at = $1", utcnow())
    await queued(runtime, *(intent(person, f"پیام {place}") for place in range(5)))
    with moved(timedelta(seconds=1)):
        await send_lane(runtime, Lane.TRANSACTIONAL)
        assert len(await panel.texts()) == 3
    with moved(timedelta(seconds=3)):
        await send_lane(runtime, Lane.TRANSACTIONAL)
        assert len(await panel.texts()) == 5


async def test_no_more_is_looked_at_than_what_the_channel_and_the_purpose_may_send_now(
    runtime: Runtime, panel: Panel
) -> None:
    """Somebody else's tokens are of no use: what waits would be decided on, again and again, and put off each time."""
    person = await known_person(runtime, emails=("sara@example.com",))
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 3, tokens = 0 WHERE kind = 'smsir'")
    await add_account(runtime, panel, "promotional")
    texts = [intent(person, f"پیام {place}") for place in range(9)]
    await queued(runtime, *texts, intent(person, "نامه", channel="email"))
    with moved(timedelta(seconds=1)):
        assert await send_lane(runtime, Lane.TRANSACTIONAL) == 4
    assert await send_lane(runtime, Lane.TRANSACTIONAL) == 0  # by a clock that is set back, so that no token is new

    assert sorted(await statuses(runtime), key=str) == [("queued", None)] * 6 + [("sent", None)] * 4


async def test_the_slowest_account_sends_promotion_too(runtime: Runtime, panel: Panel) -> None:
    """A share of its one token is kept back for codes; then nothing would ever be left."""
    person = await known_person(runtime, accepts_promotional=True)
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 1, tokens = 1")
    await execute(runtime, "UPDATE provider_lines SET hours = '{}'")
    await queued(runtime, intent(person, "حراج\nلغو۱۱", purpose="promotional"))
    await send_lane(runtime, Lane.PROMOTIONAL)

    assert len(await panel.texts()) == 1


async def test_promotion_leaves_a_fifth_of_the_rate_to_codes(runtime: Runtime, panel: Panel) -> None:
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 5, tokens = 5, tokens_at = $1", utcnow())
    await execute(runtime, "UPDATE provider_lines SET hours = '{}'")
    numbers = [f"+9899900020{place:02}" for place in range(5)]
    people = [await known_person(runtime, phones=(number,), accepts_promotional=True) for number in numbers]
    await queued(runtime, *(intent(each, "حراج\nلغو۱۱", purpose="promotional") for each in people))
    await send_lane(runtime, Lane.PROMOTIONAL)

    assert len(await panel.texts()) == 4


async def test_a_sender_rests_when_all_that_is_due_waits_for_the_rate(runtime: Runtime, panel: Panel) -> None:
    """There is an account that could send more, but it comes after the one that may not send now."""
    person = await known_person(runtime)
    await execute(runtime, "UPDATE provider_accounts SET rate_per_s = 1, tokens = 0, tokens_at = $1", utcnow())
    await add_account(runtime, panel, "transactional")
    await queued(runtime, *(intent(person, f"پیام {place}") for place in range(9)))

    assert await send_lane(runtime, Lane.TRANSACTIONAL) == 0
    assert set(await statuses(runtime)) == {("queued", "rate")}
