"""`python -m services.sandbox`: the sandbox by itself, for a frontend or a panel adapter under development."""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from services.sandbox.app import running
from services.sandbox.settings import Settings, from_environment
from shared.settings import SettingsError

OPEN_PAGES_END_S = 2


async def _serve(settings: Settings) -> None:
    async with running(settings) as app:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=OPEN_PAGES_END_S,
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    """Serve until stopped; what is missing is said in a sentence."""
    try:
        asyncio.run(_serve(from_environment()))
    except SettingsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
