"""Invitations that nobody answers end by the clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from services.surveys.answers.usecases import answer_invitation
from services.surveys.invitations.errors import InvitationExpired
from services.surveys.invitations.expiry import expire_invitations
from shared import clock
from shared.contracts.surveys import SurveyExpired
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published, turn
from tests.surveys.story import invited, items, replied

INSTANT = timedelta(microseconds=1)


async def test_an_unanswered_invitation_expires_when_its_time_is_over(
    runtime: Runtime, client: httpx.AsyncClient
) -> None:
    now = clock.utcnow()
    question = await invited(runtime, new_id(), at=now)
    with clock.moved(timedelta(days=14, seconds=-5)):
        assert await turn(runtime, "expire invitations") == 0
    with clock.moved(timedelta(days=14)):
        assert await turn(runtime, "expire invitations") == 1
        assert await turn(runtime, "expire invitations") == 0

    (expired,) = await published(runtime, SurveyExpired)
    assert (expired.invitation_id, expired.request_id) == (question.invitation_id, question.request_id)
    assert expired.occurred_at == question.expires_at
    assert [kept["status"] for kept in await items(client, "/v1/invitations")] == ["expired"]


async def test_an_answered_invitation_does_not_expire(runtime: Runtime) -> None:
    now = clock.utcnow()
    question = await invited(runtime, new_id(), at=now)
    await deliver(runtime, replied(question.person_id, 4, at=now + timedelta(hours=1)))
    with clock.moved(timedelta(days=15)):
        assert await turn(runtime, "expire invitations") == 0


async def test_two_workers_expire_each_invitation_once(runtime: Runtime) -> None:
    for _ in range(5):
        await invited(runtime, new_id(), at=clock.utcnow())
    with clock.moved(timedelta(days=15)):
        done = await asyncio.gather(*(turn(runtime, "expire invitations") for _ in range(3)))

    assert sum(done) == len(await published(runtime, SurveyExpired)) == 5


async def test_a_survey_says_how_long_it_takes_answers(runtime: Runtime, client: httpx.AsyncClient) -> None:
    (survey,) = await items(client, "/v1/surveys")
    await client.patch(f"/v1/surveys/{survey['id']}", json={"valid_days": 2})
    now = clock.utcnow()

    assert (await invited(runtime, new_id(), at=now)).expires_at == now + timedelta(days=2)


async def test_an_answer_at_the_end_of_the_validity_is_late_also_before_the_clock_says_so(runtime: Runtime) -> None:
    question = await invited(runtime, new_id())
    async with runtime.db.transaction() as tx:
        with pytest.raises(InvitationExpired):
            await answer_invitation(tx, question.invitation_id, 4, at=question.expires_at)
        answer = await answer_invitation(tx, question.invitation_id, 4, at=question.expires_at - INSTANT)

    assert answer.value == 4


async def test_an_invitation_expires_at_the_very_end_of_its_validity(runtime: Runtime) -> None:
    question = await invited(runtime, new_id())
    async with runtime.db.transaction() as tx:
        assert await expire_invitations(tx, at=question.expires_at - INSTANT) == 0
        assert await expire_invitations(tx, at=question.expires_at) == 1
