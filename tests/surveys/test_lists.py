"""What the lists of invitations and answers hold: the ends of periods, people under any id, loops that are open."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from shared.contracts.customers import CustomerMerged
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver
from tests.surveys.story import START, after, invited, items, replied, requested

INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("since", "until", "listed"),
    [
        (timedelta(), INSTANT, 1),
        (timedelta(), timedelta(), 0),
        (INSTANT, timedelta(hours=1), 0),
        (-INSTANT, timedelta(), 0),
    ],
)
async def test_a_period_of_a_list_holds_its_beginning_and_not_its_end(
    runtime: Runtime, client: httpx.AsyncClient, since: timedelta, until: timedelta, listed: int
) -> None:
    question = await invited(runtime, new_id())
    await deliver(runtime, replied(question.person_id, 4, at=after(hours=1)))

    for path, at in (("/v1/invitations", START), ("/v1/answers", after(hours=1))):
        period = {"from": (at + since).isoformat(), "to": (at + until).isoformat()}
        assert len(await items(client, path, **period)) == listed, path


async def test_people_are_found_under_any_of_their_ids(runtime: Runtime, client: httpx.AsyncClient) -> None:
    kept, gone = new_id(), new_id()
    await deliver(runtime, requested(gone), requested(kept, at=after(days=40)), requested(new_id()))
    await deliver(runtime, CustomerMerged(occurred_at=after(days=41), person_id=kept, merged_id=gone))

    for person_id in (kept, gone):
        assert len(await items(client, "/v1/invitations", person_id=person_id)) == 2


async def test_only_a_bad_answer_is_listed_as_waiting_for_an_answer(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    for number in (1, 5):
        question = await invited(runtime, new_id())
        await deliver(runtime, replied(question.person_id, number))

    assert [answer["value"] for answer in await items(client, "/v1/answers", loop="open")] == [1]
    assert await items(client, "/v1/answers", loop="closed") == []
