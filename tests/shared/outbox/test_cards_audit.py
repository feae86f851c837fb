"""Contact topics: the daily audit sends again what the log holds wrongly, and a tick reaches every partition."""

from __future__ import annotations

from datetime import timedelta

from shared.bus import TopicPartition
from shared.clock import moved
from shared.ids import new_id
from shared.outbox import wire
from shared.outbox.cards_audit import audit_cards, tick
from shared.outbox.housekeeping import drop_expired_keys, housekeeping
from shared.outbox.wire import TICK_TYPE
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import CONTACTS, TOPICS, fetch, name
from tests.shared.outbox.machinery import hear_all, log_of, relay_all
from tests.support.restores import copy_of_log


async def test_a_card_whose_last_value_in_the_log_is_old_is_sent_again_and_no_other(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    stale, erased, right = new_id(), new_id(), new_id()
    for person in (stale, erased, right):
        await name(runtime, person, "سارا")
    await relay_all(runtime)
    doubles = [record for record in await log_of(runtime, CONTACTS) if record.key != right]
    await name(runtime, stale, "نازنین")
    await name(runtime, erased, None)
    await relay_all(runtime)
    await runtime.bus.send(doubles)
    await audit_cards(runtime)

    assert {row["key"] for row in await fetch(runtime, "SELECT key FROM outbox")} == {stale, erased}
    await relay_all(runtime)
    await audit_cards(runtime)
    assert await fetch(runtime, "SELECT FROM outbox") == []
    last = {record.key: record.body for record in await log_of(runtime, CONTACTS)}
    assert last[erased] is None
    assert "نازنین" in (last[stale] or b"").decode()


async def test_a_card_of_which_the_log_holds_nothing_any_more_is_sent_again(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    lost, erased, kept = new_id(), new_id(), new_id()
    async with copy_of_log(runtime.bus, TOPICS, partitions=3) as copy:
        for person in (lost, erased):
            await name(runtime, person, "سارا")
            await relay_all(runtime)
        await name(runtime, erased, None)
        await relay_all(runtime)
        await copy.restore()
    await runtime.bus.send([wire.record_of_machinery(TICK_TYPE, "echo", TopicPartition(CONTACTS, p)) for p in range(3)])
    await name(runtime, kept, "نازنین")
    await relay_all(runtime)
    await audit_cards(runtime)

    assert [row["key"] for row in await fetch(runtime, "SELECT key FROM outbox")] == [lost]


async def test_a_tick_reaches_every_partition_and_means_nothing_to_consumers(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=4)
    await tick(runtime)
    await tick(runtime)

    ticks = [record for record in await log_of(runtime, CONTACTS) if record.headers["ce_type"] == TICK_TYPE]
    assert {record.partition for record in ticks} == {0, 1, 2, 3}
    await hear_all(runtime)
    await audit_cards(runtime)
    assert await fetch(runtime, "SELECT FROM state.copies") == []
    assert await fetch(runtime, "SELECT FROM outbox") == []


async def test_idempotency_keys_go_after_a_day(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO idempotency_keys (subject, route, key, request_hash) VALUES ('a', 'b', 'c', '')"
        )
    with moved(timedelta(hours=23)):
        assert await drop_expired_keys(runtime) == 0
    with moved(timedelta(hours=25)):
        assert await drop_expired_keys(runtime) == 1


async def test_a_producer_of_cards_audits_and_ticks(make_echo: MakeEcho) -> None:
    runtime = await make_echo()

    assert [clock.name for clock in housekeeping(runtime)] == [
        "expired idempotency keys",
        "parked keys",
        "contact topics tick",
        "card audit",
    ]
