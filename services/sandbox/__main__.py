"""`python -m services.sandbox`: the sandbox by itself, for a frontend or a panel adapter under development."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from pydantic import ValidationError

from services.sandbox.app import asked_for, running
from services.sandbox.settings import Settings
from shared.settings import SettingsError


async def _serve(settings: Settings) -> None:
    async with running(settings) as app:
        config = uvicorn.Config(app, host=settings.host, port=settings.port, log_level="warning", lifespan="off")
        await uvicorn.Server(config).serve()


def main() -> None:
    """Serve until stopped; what is missing is said in a sentence."""
    if not asked_for():
        sys.exit("The sandbox takes every message for itself. Set PEYVAND_SANDBOX=1 if that is what you want.")
    try:
        asyncio.run(_serve(Settings()))
    except (SettingsError, ValidationError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
