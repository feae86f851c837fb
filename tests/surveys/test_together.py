"""Everything at once about the same few people: nobody is asked twice, nothing waits in a circle, nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from uuid import UUID

import asyncpg
import pytest

from services.surveys.people.identity import lock_people, merge_people
from shared.contracts import Event
from shared.contracts.customers import CustomerErased, CustomerMerged
from shared.contracts.surveys import SurveyAnswered, SurveyInvited, SurveyRefused
from shared.ids import new_id
from shared.service import Runtime
from tests.support.events import deliver, published
from tests.support.eventually import eventually
from tests.surveys.story import after, replied, requested


def something(chance: random.Random, people: list[UUID]) -> Event:
    one, other = chance.sample(people, 2)
    match chance.randrange(5):
        case 0:
            return CustomerMerged(occurred_at=after(hours=1), person_id=one, merged_id=other)
        case 1 | 2:
            return replied(one, chance.randint(1, 5), at=after(hours=1, minutes=chance.randrange(50)))
        case _:
            return requested(one, at=after(minutes=chance.randrange(50)))


@pytest.mark.parametrize("seed", range(3))
async def test_batches_at_once_in_any_order_do_not_deadlock_and_ask_each_person_once(
    runtime: Runtime, seed: int
) -> None:
    chance = random.Random(seed)
    people = [new_id() for _ in range(6)]
    batches = [[something(chance, people) for _ in range(12)] for _ in range(8)]
    await asyncio.gather(*(deliver(runtime, *batch) for batch in batches))

    wanted = sum(event.type == "survey.requested" for batch in batches for event in batch)
    invited, refused = await published(runtime, SurveyInvited), await published(runtime, SurveyRefused)
    assert len(invited) + len(refused) == wanted
    assert max(Counter(event.person_id for event in invited).values()) == 1
    answers = await published(runtime, SurveyAnswered)
    revisions = [[event.revision for event in answers if event.invitation_id == one.invitation_id] for one in invited]
    assert all(given == list(range(1, len(given) + 1)) for given in revisions)


async def test_two_batches_that_meet_crosswise_wait_for_each_other_in_one_order(runtime: Runtime) -> None:
    one, other = sorted([new_id(), new_id()])
    for _ in range(5):
        forth = [requested(one), requested(other)]
        back = [requested(other), requested(one)]
        try:
            await asyncio.gather(deliver(runtime, *forth), deliver(runtime, *back))
        except asyncpg.DeadlockDetectedError as error:
            pytest.fail(str(error))

    assert len(await published(runtime, SurveyInvited)) == 2


async def test_erasing_while_answers_come_leaves_no_answer_of_a_known_person(runtime: Runtime) -> None:
    people = [new_id() for _ in range(4)]
    await deliver(runtime, *(requested(person) for person in people))
    await asyncio.gather(
        *(deliver(runtime, replied(person, 1), replied(person, 5)) for person in people),
        *(deliver(runtime, CustomerErased(occurred_at=after(hours=2), person_id=person)) for person in people),
    )

    async with runtime.db.connection() as connection:
        assert await connection.fetchval("SELECT count(person_id) FROM invitations") == 0
        assert await connection.fetchval("SELECT count(*) FROM invitations WHERE status = 'open'") == 0


async def test_who_becomes_somebodys_alias_while_they_are_waited_for_is_locked_with_them(runtime: Runtime) -> None:
    person, alias = new_id(), new_id()
    await deliver(runtime, requested(person))
    async with runtime.db.transaction() as waiting:
        async with runtime.db.transaction() as merging:
            await lock_people(merging, [person])
            locking = asyncio.create_task(lock_people(waiting, [person]))
            await eventually(lambda: waits(runtime))
            await merge_people(merging, person, alias, at=after(hours=1))
        await locking
        async with runtime.db.connection() as other:
            assert await other.fetch("SELECT FROM people FOR UPDATE SKIP LOCKED") == []


async def waits(runtime: Runtime) -> bool:
    """Tell whether somebody waits for a lock."""
    async with runtime.db.connection() as connection:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
