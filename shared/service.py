"""A service as the machinery sees it: its description, and what it runs with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
from fastapi import APIRouter
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import EventBus
from shared.contracts import Event
from shared.db import Database
from shared.outbox.consumer import Consumer
from shared.settings import ServiceSettings

CardReader = Callable[[asyncpg.Connection, Sequence[UUID]], Awaitable[Mapping[UUID, bytes]]]
"""Reads the present contact cards of ids, encoded; an id that is missing from the answer is erased."""


Relearner = Callable[[AsyncSession, Any], Awaitable[None]]
"""Takes over a fact that a restored database published before and does not know: it cannot be undone."""

Restater = Callable[[AsyncSession, Collection[UUID]], Awaitable[Sequence[Event]]]
"""Returns the facts that say what is now so of keys and subjects; nothing of those that the database does not know."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Work that falls due: `turn` does a batch of it and returns how much it did; above 0 it is turned again at once.

    Any number of workers turn the same clock, so a turn takes its rows `FOR UPDATE SKIP LOCKED`. One that is
    `of_state` works on the state schema alone: a rebuild turns it on the new schema before that is swapped in.
    """

    name: str
    every_s: float
    turn: Callable[[Runtime], Awaitable[int]]
    of_state: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """A number about a service's work that its operators watch; `query` returns it, and costs little at any size."""

    name: str
    description: str
    query: str


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What a service is made of. Holds no engine, no settings and no connection. It is equal to itself alone.

    `routers` loads what answers requests, which a worker leaves alone.
    `relearners` take over facts of the service's own log that its database has lost in a restore; `restaters` say
    what is so in it now.
    """

    name: str
    title: str
    description: str
    settings: type[ServiceSettings]
    metadata: MetaData
    migrations: Path
    routers: Callable[[], tuple[APIRouter, ...]]
    consumer: Consumer
    clocks: tuple[Clock, ...] = ()
    card_readers: Mapping[str, CardReader] = field(default_factory=dict)
    resources: Callable[[Runtime], AbstractAsyncContextManager[Any]] | None = None
    relearners: Mapping[type[Event], Relearner] = field(default_factory=dict)
    restaters: Sequence[Restater] = ()
    measures: Sequence[Measure] = ()


@dataclass(slots=True)
class Runtime:
    """A service at run time: its settings, its database, the bus, and `resources` opened for the process.

    `stopping` is set while a process that was told to stop still answers: readiness is red then.
    """

    service: Service
    settings: Any
    db: Database
    bus: EventBus
    resources: Any = None
    stopping: bool = False


def runtime_behind(tx: AsyncSession) -> Runtime:
    """Return the runtime that a handler works for: its settings and its resources, by the handler's transaction."""
    return cast("Runtime", tx.info["runtime"])
