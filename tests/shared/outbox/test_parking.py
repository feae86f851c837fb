"""What a batch reads of the parked events before it: no more than concerns it, however many are parked."""

from __future__ import annotations

from shared.bus import Record, TopicPartition
from shared.ids import new_id
from shared.outbox.parking import open_parking
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import FACTS, echo, fetch

PARTITION = TopicPartition(FACTS, 0)
FIRST = 5_000

_PARK = """
INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, error)
SELECT 'echo', $1, 0, $2 + place, 1, key, 'echo.said', '{}', 'No.'
FROM unnest($3::uuid[]) WITH ORDINALITY AS new (key, place)
"""


async def test_a_batch_knows_its_own_parked_keys_and_those_that_failed_shortly_before_it(
    make_runtime: MakeRuntime,
) -> None:
    runtime = await make_runtime(echo())
    mine, free, others, recent = new_id(), new_id(), [new_id() for _ in range(50)], new_id()
    await fetch(runtime, _PARK, FACTS, 0, [mine, *others])
    await fetch(runtime, _PARK, FACTS, FIRST - 100, [recent])
    batch = [Record(*PARTITION, key, {}, None, FIRST + place) for place, key in enumerate((free, mine))]
    async with runtime.db.connection() as connection:
        parking = await open_parking(connection, "echo", PARTITION, batch)

    assert parking.keys == {mine, recent}
    assert parking.failing.keys() == {recent}
