"""Copies of databases and of logs, and their restore under what runs on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import make_url

from shared.bus import EventBus, Record
from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.ids import new_id
from tests.support.postgres import TestServer

_CLOSE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


class DatabaseCopy:
    """A copy of a database, which can be put in its place any number of times; whoever is connected is cut off."""

    def __init__(self, url: str) -> None:
        self.name, self.copy = str(make_url(url).database), f"t_{new_id().hex}"

    async def take(self) -> None:
        async with _server() as connection:
            await connection.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
            await connection.fetch(_CLOSE, self.name)
            await connection.execute(f"CREATE DATABASE {self.copy} TEMPLATE {self.name} STRATEGY file_copy")
            await connection.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    async def restore(self) -> None:
        async with _server() as connection:
            await connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {self.name} TEMPLATE {self.copy} STRATEGY file_copy")

    async def drop(self) -> None:
        async with _server() as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {self.copy} WITH (FORCE)")


@asynccontextmanager
async def copy_of_database(url: str) -> AsyncIterator[DatabaseCopy]:
    """Lend a copy of the database at `url`, as it is now."""
    copy = DatabaseCopy(url)
    await copy.take()
    try:
        yield copy
    finally:
        await copy.drop()


class LogCopy(Protocol):
    """A copy of a log, which can be put in its place any number of times."""

    async def restore(self) -> None: ...


@asynccontextmanager
async def copy_of_log(bus: EventBus, topics: dict[str, bool], *, partitions: int) -> AsyncIterator[LogCopy]:
    """Lend a copy of what the bus holds of `topics` now: of its database, or of the topics on Kafka."""
    if isinstance(bus, LocalBus):
        async with copy_of_database(bus.url) as copy:
            yield copy
        return
    assert isinstance(bus, KafkaBus)
    yield KafkaCopy(bus, topics, partitions, await _all_of(bus, topics))


class KafkaCopy:
    """What topics held: they are deleted, made anew, and filled with the same records at the same offsets."""

    def __init__(self, bus: KafkaBus, topics: dict[str, bool], partitions: int, records: Sequence[Record]) -> None:
        self.bus, self.topics, self.partitions, self.records = bus, topics, partitions, records

    async def restore(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bus.bootstrap_servers)
        await admin.start()
        try:
            names = [self.bus.prefix + topic for topic in self.topics]
            await admin.delete_topics(names)
            while set(names) & set(await admin.list_topics()):  # noqa: ASYNC110  (the broker tells nobody)
                await asyncio.sleep(0.05)
        finally:
            await admin.close()
        another = KafkaBus(self.bus.bootstrap_servers, prefix=self.bus.prefix)
        try:
            await another.create_topics(self.topics, partitions=self.partitions)
            await another.send(self.records)
        finally:
            await another.close()


async def _all_of(bus: EventBus, topics: Collection[str]) -> list[Record]:
    bounds = await bus.bounds(topics)
    found = await bus.read_many({each: first for each, (first, _) in bounds.items()}, most=100_000)
    return [record for partition in sorted(found) for record in found[partition]]


@asynccontextmanager
async def _server() -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(TestServer.url())
    try:
        yield connection
    finally:
        await connection.close()
