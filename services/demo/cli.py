"""`peyvand demo`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.demo import cdnow as purchase_log
from services.demo.client import Api, DemoFailed
from services.demo.story import play


def demo(
    path: Annotated[
        Path | None, typer.Argument(help="With --cdnow: the log, if not the one that lifetimes carries.")
    ] = None,
    *,
    cdnow: Annotated[
        bool, typer.Option("--cdnow", help="Feed the CDNOW purchase log instead of playing the story.")
    ] = False,
    url: Annotated[str, typer.Option(help="Where the deployment answers.")] = "http://127.0.0.1:8000",
    token_file: Annotated[Path, typer.Option(help="File that holds a token with every scope.")] = Path(".data/token"),
    sandbox_url: Annotated[str | None, typer.Option(help="Where the sandbox answers, if not with the rest.")] = None,
) -> None:
    """Play the story of one customer against a deployment, or feed it the CDNOW purchases."""
    if path is not None and not cdnow:
        raise typer.BadParameter(f"A log such as {path} is fed with --cdnow; the story needs none.")
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Api(url, _token(token_file), sandbox_url or url) as api:
            if cdnow:
                purchase_log.feed(api, path or purchase_log.default_path(), console)
            else:
                play(api, console)
    except DemoFailed as failure:
        console.print(f"[bold red]✗[/] {failure}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]")
        sys.exit(130)


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise DemoFailed(f"There is no token at {file} ({error.strerror}); name it with --token-file.") from None
