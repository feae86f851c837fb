"""A process with a relay that stops itself once, as SIGSTOP would, at the moment that it is told; then goes on.

`python -m tests.shared.outbox.stopping_relay SETTINGS MOMENT`, the settings as JSON. It says what each turn came to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from shared.outbox.relay import Relay
from shared.runtime import open_runtime
from shared.settings import ServiceSettings, load
from tests.shared.outbox.echo import echo

LEASE_S = 1.0


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


def stop_at(relay: Relay, moment: str) -> None:
    """Have the relay stop `before` or `amid` its first send, or within the `transaction` before."""
    stop_once, send, take = once(stop), relay.bus.send, relay._take

    async def sending(records: Any) -> None:
        if moment == "before":
            stop_once()
        on_its_way = asyncio.create_task(send(records))
        if moment == "amid":
            await asyncio.sleep(0.002)
            stop_once()
        await on_its_way

    async def taking(*arguments: Any) -> Any:
        if moment == "transaction":
            stop_once()
        return await take(*arguments)

    vars(relay.bus)["send"], vars(relay)["_take"] = sending, taking


async def main(settings: dict[str, Any], moment: str) -> None:
    service = echo()
    async with open_runtime(service, load(ServiceSettings, **settings)) as runtime:
        relay = Relay(runtime, lease_s=LEASE_S)
        stop_at(relay, moment)
        while True:
            try:
                say(f"sent {await relay.turn()}")
            except Exception as error:  # noqa: BLE001  (whatever a lost lease or a cut connection raises)
                say(f"failed: {type(error).__name__}")
            await asyncio.sleep(0.05)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2]))
