"""`peyvand dlq`, `rebuild`, `restate` and `topics`: looking after events."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer

from shared.errors import PeyvandError
from shared.outbox import deadletters
from shared.outbox.deadletters import Place
from shared.outbox.realigning import realign
from shared.outbox.rebuild import RebuildFailed
from shared.outbox.rebuild import rebuild as rebuild_state
from shared.outbox.restate import restate as restate_service
from shared.outbox.topics import all_topics, make_topics
from shared.routes import SERVICE_NAMES
from shared.runtime import open_runtime
from shared.service import Runtime, Service
from shared.settings import ServiceSettings, SettingsError, load, variable

dlq = typer.Typer(no_args_is_help=True, help="Events that could not be handled: look, try again, give up.")
topics = typer.Typer(no_args_is_help=True, help="The topics that the services speak over.")

T = TypeVar("T")
ServiceArgument = Annotated[str, typer.Argument(help="Name of the service, such as customers.")]
PlaceArgument = Annotated[str, typer.Argument(help="topic/partition/offset, as `dlq list` shows it.")]
DataOption = Annotated[Path, typer.Option(help="Data folder of a running `peyvand run`, where no settings are given.")]


@dlq.command("list")
def list_events(
    service: ServiceArgument,
    state: Annotated[str | None, typer.Option(help="parked, unknown, dead or discarded; all by default.")] = None,
    followers: Annotated[bool, typer.Option(help="Also those that only wait behind another of their key.")] = False,
    most: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    data: DataOption = Path(".data"),
) -> None:
    """List parked and dead events with what went wrong, however narrow the terminal: places are to be copied."""

    async def read(runtime: Runtime) -> list[asyncpg.Record]:
        name = runtime.service.consumer.service
        return await deadletters.listed(runtime.db, name, state=state, followers=followers, most=most)

    rows = _with_runtime(service, data, read)
    if not rows:
        print(f"{service}: no such events")
    for row in rows:
        place = Place(row["topic"], row["partition"], row["offset"])
        print(f"{place}  {row['state']}, {row['attempts']} tries: {row['type']} of {row['key']}")
        print(f"    {row['error'] or 'Waits behind another of its key.'}")


@dlq.command()
def show(service: ServiceArgument, event: PlaceArgument, data: DataOption = Path(".data")) -> None:
    """Show one event with its headers and body. A card's body holds personal data."""

    async def read(runtime: Runtime) -> asyncpg.Record:
        return await deadletters.shown(runtime.db, runtime.service.consumer.service, Place.of(event))

    for name, value in _with_runtime(service, data, read).items():
        print(f"{name}: {value.decode() if isinstance(value, bytes) else value}")


@dlq.command()
def replay(
    service: ServiceArgument,
    event: Annotated[str | None, typer.Argument(help="topic/partition/offset; all where none is named.")] = None,
    data: DataOption = Path(".data"),
) -> None:
    """Let the worker try an event, or all of a service, again at once."""

    async def act(runtime: Runtime) -> int:
        place = Place.of(event) if event else None
        return await deadletters.replay(runtime.db, runtime.service.consumer.service, place)

    print(f"{service}: {_with_runtime(service, data, act)} events are tried again")


@dlq.command()
def discard(service: ServiceArgument, event: PlaceArgument, data: DataOption = Path(".data")) -> None:
    """Give an event up for good; its body is deleted."""

    async def act(runtime: Runtime) -> None:
        await deadletters.discard(runtime.db, runtime.service.consumer.service, Place.of(event))

    _with_runtime(service, data, act)
    print(f"{service}: {event} is discarded")


def rebuild(service: ServiceArgument, data: DataOption = Path(".data")) -> None:
    """Make a service's copies and figures anew from the events, while the old ones answer."""

    async def act(runtime: Runtime) -> int:
        return await rebuild_state(runtime, progress=print)

    _with_runtime(service, data, act)


def restate(
    service: ServiceArgument,
    data: DataOption = Path(".data"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be withdrawn.")] = False,
) -> None:
    """Publish what a service's database holds for the keys whose events it has lost in a restore.

    Facts that the database does not know are withdrawn, so that the other services' copies and figures drop them;
    what is so now, and the contact cards, are said again. Nobody gets a message because of it. To be run once the
    worker has caught up; a second run finds nothing to do.
    """

    async def act(runtime: Runtime) -> Counter[str]:
        return await restate_service(runtime, dry_run=dry_run, progress=print)

    for kind, count in sorted((done := _with_runtime(service, data, act)).items()):
        print(f"{kind}: {count}")
    verb = "would be" if dry_run else "are"
    print(f"{service}: {done.total()} lost facts {verb} withdrawn")


@topics.command()
def make(data: DataOption = Path(".data")) -> None:
    """Make the topics that do not exist yet."""

    async def act(runtime: Runtime) -> None:
        await make_topics(runtime.bus, partitions=runtime.settings.partitions)

    _with_runtime(_any_service(), data, act)
    print(f"topics: {', '.join(sorted(all_topics()))}")


@topics.command()
def check(data: DataOption = Path(".data")) -> None:
    """Check that every topic is as it was made; end non-zero where one is not."""

    async def look(runtime: Runtime) -> list[str]:
        return await runtime.bus.check_topics(all_topics(), partitions=runtime.settings.partitions)

    faults = _with_runtime(_any_service(), data, look)
    if faults:
        sys.exit("\n".join(faults))
    print(f"topics: {len(all_topics())} are as they should be")


@topics.command(name="realign")
def realign_topics(service: ServiceArgument, data: DataOption = Path(".data")) -> None:
    """Go on after Kafka, or the bus database, was restored from an older copy or made anew.

    To be run for every service whose /readyz says that the log lacks what was published; `peyvand topics make` comes
    first where topics are gone. What the log has lost is declared to the consumers, which jump over it, and all
    contact cards are sent again. Where log and database agree it does nothing.
    """
    done = _with_runtime(service, data, realign)
    if not done.partitions:
        print(f"{service}: the log holds all that was published")
        return
    print(
        f"{service}: {done.missing} lost events of {done.partitions} partitions are declared, "
        f"{done.cards} cards are sent again"
    )


def _with_runtime(name: str, data: Path, act: Callable[[Runtime], Awaitable[T]]) -> T:
    """Open a service and act on it; what is refused ends the command with a sentence."""

    async def run() -> T:
        service = service_named(name)
        async with open_runtime(service, _settings(service, data)) as runtime:
            return await act(runtime)

    try:
        return asyncio.run(run())
    except PeyvandError as refusal:
        sys.exit(refusal.detail)
    except (RebuildFailed, SettingsError) as refusal:
        sys.exit(str(refusal))
    except (OSError, asyncpg.PostgresError) as error:
        sys.exit(f"The database does not answer: {error}")


def service_named(name: str) -> Service:
    """Return a service, importing that one alone: an operator's image need not hold what others are run with."""
    if name not in _names():
        sys.exit(f"{name!r} is no service; one of {', '.join(_names())} is.")
    service = importlib.import_module(f"services.{name}.app").SERVICE
    assert isinstance(service, Service)  # noqa: S101
    return service


def _names() -> list[str]:
    return sorted(SERVICE_NAMES)


def _any_service() -> str:
    """Return a service whose settings name the bus: all name the same."""
    return _names()[0]


def _settings(service: Service, data: Path) -> ServiceSettings:
    """Read the environment's settings; where it names no database, those of what `peyvand run` keeps in the folder."""
    if variable(service.settings, "database_url") in os.environ or not (data / "postgres").exists():
        return load(service.settings)
    from services.embedded import settings_of  # noqa: PLC0415  (imports every service)

    return settings_of(service, data)
