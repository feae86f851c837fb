"""What readiness is told of the machinery."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.bus.kafka import KafkaBus
from shared.clock import moved
from shared.db import Database
from shared.outbox.status import consumer_lag, machinery_status, parked_counts, relay_lag
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import fetch, said, say
from tests.shared.outbox.machinery import hear_all, relay_all
from tests.shared.outbox.test_faults import failing_on

ALL_WELL = {"broker": "ok", "relay": "ok", "consumer": "ok"}


async def test_everything_is_ok_where_nothing_waits(make_echo: MakeEcho) -> None:
    runtime = await make_echo()

    assert await machinery_status(runtime) == ALL_WELL


async def test_events_that_nobody_sends_turn_the_relay_red_after_a_minute(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await say(runtime, said(), said())
    assert (await relay_lag(runtime.db, "echo")).waiting == 2
    assert await machinery_status(runtime) == ALL_WELL
    with moved(timedelta(seconds=90)):
        status = await machinery_status(runtime)

    assert status["relay"] == "2 events wait to be sent, the oldest for 90 s."


async def test_events_that_nobody_reads_turn_the_consumer_red(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await hear_all(runtime)
    await say(runtime, said(), said())
    await relay_all(runtime)
    lags = await consumer_lag(runtime.db, runtime.bus, runtime.service.consumer)
    assert sorted(lag.behind for lag in lags.values()) == [0, 2]
    with moved(timedelta(seconds=200)):
        status = await machinery_status(runtime)

    assert status["consumer"] == "2 events are unread, and nothing moves in echo.events.v1/0."


async def test_an_event_that_comes_after_a_quiet_day_is_no_lag(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    await hear_all(runtime)
    await say(runtime, said())
    await relay_all(runtime)
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE inbox SET moved_at = now() - interval '1 day'")

    assert await machinery_status(runtime) == ALL_WELL


async def test_a_broker_that_does_not_answer_is_named(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    runtime.bus = KafkaBus("127.0.0.1:1")
    status = await machinery_status(runtime)

    assert status["broker"].startswith("Kafka does not answer")
    assert status["relay"] == "ok"


async def test_a_broker_that_is_away_is_named_also_where_the_database_is(
    make_echo: MakeEcho, unused_tcp_port: int
) -> None:
    runtime = await make_echo()
    lost = replace(runtime, bus=KafkaBus("127.0.0.1:1"), db=Database(f"postgresql://a@127.0.0.1:{unused_tcp_port}/a"))
    status = await machinery_status(lost)

    assert status["broker"].startswith("Kafka does not answer")
    assert status["relay"] == status["consumer"]
    assert status["relay"].startswith("The database does not answer")


async def test_parked_events_are_counted_by_state(make_echo: MakeEcho) -> None:
    runtime = await make_echo(failing_on({7}))
    await say(runtime, said(number=7))
    await relay_all(runtime)
    await hear_all(runtime)

    assert await parked_counts(runtime.db, "echo") == {"parked": 1}
    assert len(await fetch(runtime, "SELECT FROM parked")) == 1
