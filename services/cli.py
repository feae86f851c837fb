"""`peyvand`: run everything, play the story, make tokens, look after events."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
import uvloop

from services import cli_events
from services.demo import cli as demo_cli
from shared.errors import Unavailable
from shared.main import prepare
from shared.routes import SERVICE_NAMES
from shared.settings import SettingsError, load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run Peyvand, migrate it, and look after its events. Settings come from the environment: docs/settings.md.",
)
app.add_typer(cli_events.dlq, name="dlq")
app.add_typer(cli_events.topics, name="topics")
app.command("rebuild")(cli_events.rebuild)
app.command("restate")(cli_events.restate)
app.command("demo")(demo_cli.demo)

SCOPES = {f"{name}:{reach}" for name in SERVICE_NAMES for reach in ("read", "write", "admin")} | {"pii:read"}

DataOption = Annotated[Path, typer.Option(help="Folder that keeps the databases, the keys and the token.")]


def main() -> None:
    """Run the command line."""
    app()


@app.command()
def run(
    port: Annotated[int, typer.Option(help="Port that everything answers on.")] = 8000,
    data: DataOption = Path(".data"),
) -> None:
    """Run everything in one process, with the sandbox panel, until Ctrl-C."""
    from services.data_folder import CannotStart  # noqa: PLC0415
    from services.embedded import run_embedded  # noqa: PLC0415  (imports every service)

    try:
        uvloop.run(run_embedded(data, port, say=lambda line: print(line, flush=True)))
    except (CannotStart, SettingsError) as obstacle:
        sys.exit(str(obstacle))


@app.command("up-local")
def up_local(
    port: Annotated[int, typer.Option(help="Port of the ingress; 0 takes a free one.")] = 8000,
    first_port: Annotated[int, typer.Option(help="First of the ports behind it; 0 takes free ones.")] = 8100,
    replicas: Annotated[int, typer.Option(min=1, max=4, help="Processes of each API.")] = 1,
    data: DataOption = Path(".data"),
) -> None:
    """Run everything distributed, each process by itself, without Docker, until Ctrl-C."""
    from services.data_folder import CannotStart  # noqa: PLC0415
    from services.local.running import run_local  # noqa: PLC0415

    try:
        run_local(data, port, first_port, replicas, say=lambda line: print(line, flush=True))
    except CannotStart as obstacle:
        sys.exit(str(obstacle))


@app.command()
def migrate() -> None:
    """Bring all databases to the newest version and make the topics that are missing, by the environment's settings."""

    async def run() -> None:
        for service in map(cli_events.service_named, SERVICE_NAMES):
            await prepare(service, load(service.settings))

    try:
        asyncio.run(run())
    except (SettingsError, Unavailable) as refusal:
        sys.exit(str(refusal))


@app.command()
def token(
    private_key: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Private key in PEM that the services know the public half of.",
        ),
    ],
    subject: Annotated[str, typer.Option(help="Whom the token is for.")],
    scope: Annotated[list[str], typer.Option(help="Such as leads:read or pii:read; may be given again.")],
    agent_id: Annotated[UUID | None, typer.Option(help="The agent's id, for a token of a member of staff.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is valid.")] = 30,
    issuer: Annotated[str | None, typer.Option(envvar="PEYVAND_JWT_ISSUER", help="What services want as iss.")] = None,
    audience: Annotated[str | None, typer.Option(envvar="PEYVAND_JWT_AUDIENCE", help="And as aud.")] = None,
) -> None:
    """Sign a token for the API, as the services of this environment want it."""
    from shared.web.tokens import NoSigningKey, sign_token  # noqa: PLC0415

    if unknown := sorted(set(scope) - SCOPES):
        sys.exit(f"There is no scope {', '.join(unknown)}; one of {', '.join(sorted(SCOPES))} is.")
    pem, lifetime = private_key.read_text(errors="replace"), timedelta(days=days)
    try:
        print(sign_token(pem, subject, scope, agent_id, lifetime, issuer=issuer, audience=audience))
    except NoSigningKey as refusal:
        sys.exit(f"{private_key}: {refusal}")


@app.command()
def kafka(
    data: DataOption = Path(".data"), port: Annotated[int, typer.Option(help="Port of the broker.")] = 9092
) -> None:
    """Run a Kafka broker without Docker, until Ctrl-C."""
    from services.kafka import KafkaBroker, KafkaFailed, missing  # noqa: PLC0415

    if absent := missing():
        sys.exit(absent)
    try:
        with KafkaBroker(data / "kafka", port) as broker:
            print(f"ready: Kafka answers on {broker.bootstrap_servers}", flush=True)
            broker.wait()
    except KafkaFailed as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        print("stopped", flush=True)


@app.command()
def settings(page: Annotated[Path, typer.Argument(help="File to write.")] = Path("docs/settings.md")) -> None:
    """Write the page of all settings."""
    from services.embedded import SERVICES  # noqa: PLC0415
    from services.sandbox.settings import Settings as SandboxSettings  # noqa: PLC0415
    from services.settings_page import render  # noqa: PLC0415

    page.write_text(render(SERVICES, SandboxSettings))


@app.command()
def migration(service: str, message: str) -> None:
    """Write a migration that takes a service's tables to what its models say."""
    from services.embedded import SERVICES  # noqa: PLC0415
    from services.migrations import write_migration  # noqa: PLC0415

    found = next((candidate for candidate in SERVICES if candidate.name == service), None)
    if found is None:
        sys.exit(f"{service!r} is no service; one of {', '.join(each.name for each in SERVICES)} is.")
    asyncio.run(write_migration(found, message))


if __name__ == "__main__":
    main()
