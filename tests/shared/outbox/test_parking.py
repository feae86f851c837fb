"""What is read of parked events, by a batch, by the drain and by whoever counts: no more than concerns it."""

from __future__ import annotations

from shared.bus import Record, TopicPartition
from shared.clock import utcnow
from shared.ids import new_id
from shared.outbox import drain, erasure, status, wire
from shared.outbox.parking import names, open_parking
from shared.service import Runtime
from tests.conftest import MakeRuntime
from tests.shared.outbox.echo import CONTACTS, FACTS, echo, fetch

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


_PARK_MANY = """
INSERT INTO parked (consumer, topic, partition, "offset", position, key, type, headers, error, unknown)
SELECT 'echo', $1, 0, place, place, keys.ids[1 + place % cardinality(keys.ids)],
    $4, '{}', CASE WHEN $4 <> 'echo.said' OR place - $2 < cardinality(keys.ids) THEN 'No.' END, $4 <> 'echo.said'
FROM generate_series($2::bigint, $2 + $5::bigint - 1) AS place, (SELECT $3::uuid[] AS ids) AS keys
"""


async def test_the_drain_and_who_counts_do_not_read_what_only_waits(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(echo())
    failing, waiting = [new_id() for _ in range(5)], [new_id() for _ in range(500)]
    await fetch(runtime, _PARK_MANY, FACTS, 0, failing, "echo.said", 4_000)
    await fetch(runtime, _PARK_MANY, FACTS, 10_000, waiting, "echo.of_tomorrow", 1_000)
    assert await drain.order_parked(runtime) == 3_995 + 500
    assert await drain.order_parked(runtime) == 0
    await fetch(runtime, "VACUUM ANALYZE parked")

    due = (drain._DUE, "echo", utcnow(), 200, wire.known_types())
    assert {row["key"] for row in await fetch(runtime, *due)} == set(failing)
    assert await blocks_read(runtime, *due) < 300
    assert await blocks_read(runtime, status._PARKED, names("echo"), 100) < 60
    assert await blocks_read(runtime, status._UNKNOWN, names("echo"), 100) < 60
    assert await status.parked_counts(runtime.db, "echo") == {"parked": 4_000, "unknown": 1_000}
    assert "1000 of echo.of_tomorrow" in (await status.waiting_for_code(runtime.db, "echo") or "")


async def test_an_erasure_looks_at_their_own_parked_cards_alone(make_runtime: MakeRuntime) -> None:
    runtime = await make_runtime(echo())
    theirs, others = new_id(), [new_id() for _ in range(500)]
    await fetch(runtime, _PARK_MANY, FACTS, 0, others, "echo.of_tomorrow", 2_000)
    await fetch(runtime, _PARK_MANY, CONTACTS, 0, others, "echo.of_tomorrow", 2_000)
    await fetch(runtime, _PARK_MANY, CONTACTS, 10_000, [theirs], "echo.of_tomorrow", 3)
    await fetch(runtime, "UPDATE parked SET body = 'card', headers = '{\"version\": \"1\"}'")
    await fetch(runtime, "VACUUM ANALYZE parked")

    assert await blocks_read(runtime, erasure._PARKED, [others[0]]) < 60
    assert await blocks_read(runtime, erasure._BEFORE, [CONTACTS], [theirs], [2]) < 60
    left = await fetch(runtime, "SELECT topic FROM parked WHERE key = ANY($1)", [theirs, others[0]])
    assert [row["topic"] for row in left] == [FACTS] * 4


async def blocks_read(runtime: Runtime, query: str, *values: object) -> int:
    """Return how many blocks a query looks at, of tables and indexes together."""
    [[[plan]]] = await fetch(runtime, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *values)
    return int(plan["Plan"]["Shared Hit Blocks"]) + int(plan["Plan"]["Shared Read Blocks"])
