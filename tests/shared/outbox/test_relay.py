"""The relay: nothing lost, positions dense, each key in order, whatever crashes and whoever fights over the lease."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from shared import outbox
from shared.bus import BusUnavailable, EventBus, Record
from shared.bus.partitions import partition_of
from shared.db import driver
from shared.ids import new_id
from shared.outbox.alignment import NotAligned
from shared.outbox.lease import LeaseLost
from shared.outbox.relay import PARTITION_BYTES, Batch, Relay
from shared.service import Runtime
from tests.shared.outbox.conftest import MakeEcho
from tests.shared.outbox.echo import CONTACTS, FACTS, fetch, name, numbers_heard, said, say
from tests.shared.outbox.machinery import hear_all, log_of, places, relay_all

WRITERS, KEYS, OFTEN = 16, 8, 3


@dataclass(slots=True)
class Race:
    """How often relays have settled what they sent, died, and been overtaken at work, and how much was written."""

    settled: int = 0
    died: int = 0
    overtaken: int = 0
    written: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a relay sends, or dies: then is the time to let its lease end."""

    @property
    def is_over(self) -> bool:
        return min(self.settled, self.died, self.overtaken) >= OFTEN


async def test_sixteen_writers_and_two_fighting_crashing_relays_lose_double_and_reorder_nothing(
    make_echo: MakeEcho,
) -> None:
    runtime = await make_echo(pool_size=20)
    await runtime_has_counters(runtime)
    keys, race = [new_id() for _ in range(KEYS)], Race()
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for seed in range(WRITERS):
            group.create_task(write(runtime, keys, random.Random(seed), race))
        for seed in range(2):
            group.create_task(relay_and_crash(runtime, random.Random(seed), race))
        group.create_task(steal_leases(runtime, random.Random(), race))
    await relay_after_lease(runtime)
    await hear_all(runtime)

    for positions in places(await log_of(runtime, FACTS)).values():
        firsts = list(dict.fromkeys(positions))
        assert firsts == list(range(1, len(firsts) + 1))
    numbers = {key: await numbers_heard(runtime, key) for key in keys}
    assert numbers == {key: list(range(1, len(heard) + 1)) for key, heard in numbers.items()}
    assert sum(map(len, numbers.values())) == race.written


async def runtime_has_counters(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute("CREATE TABLE counters (key uuid PRIMARY KEY, number bigint NOT NULL)")


async def write(runtime: Runtime, keys: Sequence[UUID], chance: random.Random, race: Race) -> None:
    """Count up a shared row under its lock, publish the count, and commit some time later."""
    while not race.is_over:
        key = chance.choice(keys)
        async with runtime.db.transaction() as tx:
            number = await driver(tx).fetchval(
                """
                INSERT INTO counters VALUES ($1, 1)
                ON CONFLICT (key) DO UPDATE SET number = counters.number + 1 RETURNING number
                """,
                key,
            )
            outbox.add(tx, said(key, number))
            await outbox.flush(tx)
            await asyncio.sleep(chance.random() * 0.05)
        race.written += 1


async def relay_and_crash(runtime: Runtime, chance: random.Random, race: Race) -> None:
    """Relay a few batches, then die before sending, or after it."""
    while not race.is_over:
        relay, is_at_work, is_alive = Relay(runtime, lease_s=5.0, rows=chance.choice((20, 2_000))), False, True
        try:
            while is_alive:
                sent, relay._sent = relay._sent, None
                batch = await relay.take(settling=sent)
                is_at_work, is_alive = True, chance.random() < 0.8
                race.settled += sent is not None
                race.stirred.set()
                if batch is not None and (is_alive or chance.random() < 0.5):
                    await relay.send(batch)
                    relay._sent = batch
            race.died += 1
        except (LeaseLost, BusUnavailable, NotAligned):
            race.overtaken += is_at_work
            await asyncio.sleep(0.01)


async def steal_leases(runtime: Runtime, chance: random.Random, race: Race) -> None:
    """Let leases end in the middle of their owners' work, and after their deaths."""
    while not race.is_over:
        await race.stirred.wait()
        race.stirred.clear()
        await asyncio.sleep(chance.random() * 0.05)
        await end_lease(runtime)


async def end_lease(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute("UPDATE relay_lease SET until = clock_timestamp() - interval '1 second'")


async def test_a_relay_that_died_before_sending_leaves_its_batch_to_be_sent_with_the_same_positions(
    make_echo: MakeEcho,
) -> None:
    runtime = await make_echo()
    await say(runtime, *(said() for _ in range(10)))
    dead = Relay(runtime, lease_s=0.01)
    planned = await dead.take()
    assert planned is not None
    await say(runtime, *(said() for _ in range(10)))
    await relay_after_lease(runtime)

    sent = {record.headers["ce_id"]: record.headers["position"] for record in await log_of(runtime, FACTS)}
    assert len(sent) == 20
    assert {each.headers["ce_id"]: each.headers["position"] for each in planned.records}.items() <= sent.items()


async def relay_after_lease(runtime: Runtime) -> None:
    """Relay as one that takes over from a dead relay."""
    await end_lease(runtime)
    await relay_all(runtime)


async def test_a_relay_that_died_after_sending_leaves_doubles_that_are_heard_once(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    await say(runtime, *(said(person, number) for number in range(5)))
    dead = Relay(runtime, lease_s=0.01)
    batch = await dead.take()
    assert batch is not None
    await runtime.bus.send(batch.records)
    await relay_after_lease(runtime)
    await hear_all(runtime)

    assert len(await log_of(runtime, FACTS)) == 10
    assert await numbers_heard(runtime, person) == [0, 1, 2, 3, 4]


class TakesButFails:
    """A bus whose answer is lost: the records are on the log, and the sender is told that they are not."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus

    async def send(self, records: Sequence[Record]) -> None:
        await self.bus.send(records)
        raise BusUnavailable("The answer was lost.")


async def test_a_send_whose_answer_was_lost_is_repeated_and_heard_once(
    make_echo: MakeEcho, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await make_echo()
    person = new_id()
    await say(runtime, said(person, 1))
    relay = Relay(runtime)
    with monkeypatch.context() as patched:
        patched.setattr(relay, "bus", TakesButFails(runtime.bus))
        with pytest.raises(BusUnavailable):
            await relay.turn()
    assert await relay.turn() == 1
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == [1]
    assert await relay.turn() == 0
    assert await fetch(runtime, "SELECT FROM outbox") == []


async def test_a_relay_that_lost_its_lease_stops_at_its_next_step(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await say(runtime, said())
    first, second = Relay(runtime), Relay(runtime)
    batch = await first.take()
    await end_lease(runtime)
    await second.take()

    with pytest.raises(LeaseLost):
        await first.take(settling=batch)


async def test_what_commits_late_comes_in_a_later_batch_with_the_next_position(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    early, late = new_id(), new_id()
    async with runtime.db.transaction() as tx:
        outbox.add(tx, said(late))
        await outbox.flush(tx)
        await say(runtime, said(early))
        await relay_all(runtime)
    await relay_all(runtime)

    records = await log_of(runtime, FACTS)
    assert [record.key for record in records] == [early, late]
    assert [record.headers["position"] for record in records] == ["1", "2"]
    assert int(records[0].headers["version"]) > int(records[1].headers["version"])


async def test_what_commits_while_a_batch_is_on_its_way_is_not_taken_for_sent(make_echo: MakeEcho) -> None:
    runtime = await make_echo(partitions=1)
    early, late = new_id(), new_id()
    relay = Relay(runtime)
    async with runtime.db.transaction() as tx:
        outbox.add(tx, said(late))
        await outbox.flush(tx)
        await say(runtime, said(early))
        await relay.turn()
    await relay.turn()
    await relay.release()

    assert [record.key for record in await log_of(runtime, FACTS)] == [early, late]


async def test_bodies_too_large_for_one_request_are_split_and_none_is_dropped(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    padding = "x" * 250_000
    await say(runtime, *(said(person, number, padding=padding) for number in range(9)))
    relay = Relay(runtime)
    first = await relay.take()
    assert first is not None
    assert sum(len(record.body or b"") for record in first.records) <= PARTITION_BYTES
    await relay.release()
    await relay_all(runtime)
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == list(range(9))


async def test_a_transport_given_more_than_one_request_of_a_partition_keeps_all_of_it(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    await say(runtime, *(said(person, number, padding="x" * 250_000) for number in range(9)))
    rows = await fetch(runtime, "SELECT seq FROM outbox ORDER BY seq")
    partition = partition_of(person, 3)
    batch = Batch([row["seq"] for row in rows], [partition] * 9, list(range(1, 10)))
    async with runtime.db.connection() as connection:
        await runtime.bus.send(await Relay(runtime)._records(connection, batch))
    await hear_all(runtime)

    assert await numbers_heard(runtime, person) == list(range(9))


async def test_a_card_erased_before_it_is_sent_goes_out_as_a_tombstone(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    person = new_id()
    await name(runtime, person, "سارا")
    async with runtime.db.connection() as connection:
        await connection.execute("DELETE FROM people")
    await relay_all(runtime)

    assert [(record.key, record.body) for record in await log_of(runtime, CONTACTS)] == [(person, None)]


async def test_the_outbox_holds_no_card(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    await name(runtime, new_id(), "سارا")

    assert [row["body"] for row in await fetch(runtime, "SELECT body FROM outbox")] == [None]


async def test_an_idle_relay_writes_nothing(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    relay = Relay(runtime)
    await relay.turn()
    before = await fetch(runtime, "SELECT xmin::text, until FROM relay_lease")

    assert not await relay.pending()
    assert await fetch(runtime, "SELECT xmin::text, until FROM relay_lease") == before


async def test_a_record_says_where_it_comes_from_in_cloudevents_headers(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    event = said(new_id())
    async with runtime.db.transaction() as tx:
        with outbox.caused_by(outbox.Cause(correlation_id="request 7", traceparent="00-aa-bb-01")):
            outbox.add(tx, event)
    [row] = await fetch(runtime, "SELECT seq, id FROM outbox")
    await relay_all(runtime)
    [record] = await log_of(runtime, FACTS)

    assert record.key == event.person_id
    assert record.partition == partition_of(event.person_id, 3)
    assert {name: record.headers[name] for name in record.headers if name not in {"ce_time", "recorded_at"}} == {
        "ce_specversion": "1.0",
        "ce_id": str(row["id"]),
        "ce_source": "/peyvand/echo",
        "ce_type": "echo.said",
        "ce_subject": str(event.person_id),
        "content-type": "application/json",
        "position": "1",
        "version": str(row["seq"]),
        "correlation_id": "request 7",
        "traceparent": "00-aa-bb-01",
    }
    assert record.headers["ce_time"] == event.occurred_at.isoformat().replace("+00:00", "Z")


async def test_positions_go_on_over_batches_in_every_partition(make_echo: MakeEcho) -> None:
    runtime = await make_echo()
    by_partition: defaultdict[int, int] = defaultdict(int)
    for _ in range(3):
        events = [said() for _ in range(10)]
        for event in events:
            by_partition[partition_of(event.person_id, 3)] += 1
        await say(runtime, *events)
        await relay_all(runtime)

    positions = places(await log_of(runtime, FACTS))
    assert {place.partition: found for place, found in positions.items()} == {
        partition: list(range(1, count + 1)) for partition, count in by_partition.items()
    }


async def test_a_fact_names_the_card_that_was_written_with_it_and_later_facts_the_newest_one(
    make_echo: MakeEcho,
) -> None:
    runtime = await make_echo()
    person, other = new_id(), new_id()
    async with runtime.db.transaction() as tx:
        outbox.add(tx, said(person, 1))
        outbox.add_card(tx, CONTACTS, person)
    await relay_all(runtime)
    await say(runtime, said(other, 2), said(person, 3))
    await relay_all(runtime)
    await name(runtime, person, "سارا")
    await say(runtime, said(person, 4))
    await relay_all(runtime)

    versions = [record.headers["version"] for record in await log_of(runtime, CONTACTS) if record.key == person]
    facts = sorted(await log_of(runtime, FACTS), key=lambda record: int(record.headers["version"]))
    newest = f"{CONTACTS}:{versions[-1]}"
    first = facts[0].headers["card"]
    assert int(first.rpartition(":")[2]) < int(facts[0].headers["version"])
    assert [record.headers.get("card") for record in facts] == [first, None, first, newest]
