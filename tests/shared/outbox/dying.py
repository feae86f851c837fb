"""`python -m tests.shared.outbox.dying inbox|drain <hours> <settings>`: hears echo's log; a number in it is deadly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import moved
from shared.contracts import Received
from shared.outbox.consumer import Consumer
from shared.outbox.drain import drain
from shared.runtime import open_runtime
from shared.service import Runtime
from shared.settings import ServiceSettings, load
from tests.shared.outbox.echo import Said, echo, hear
from tests.shared.outbox.machinery import hear_all

DEADLY = 7


async def die(_tx: AsyncSession, received: Received[Said]) -> None:
    if received.event.number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)


def mortal() -> Consumer:
    """Return a consumer that keeps what is said, and that the deadly number kills."""
    consumer = Consumer("echo")
    consumer.state(Said, batch=True)(hear)
    consumer.own(Said)(die)
    return consumer


async def drain_all(runtime: Runtime) -> None:
    """Drain until nothing is due."""
    while await drain(runtime):
        pass


async def run(what: str, hours: str, settings: str) -> None:
    """Hear, or drain, as if some hours had passed."""
    with moved(timedelta(hours=int(hours))):
        async with open_runtime(echo(mortal()), load(ServiceSettings, **json.loads(settings))) as runtime:
            await (hear_all if what == "inbox" else drain_all)(runtime)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
