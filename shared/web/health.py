"""Whether a process lives (`/healthz`), and whether it can do its work (`/readyz`), part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from shared.service import Runtime
from shared.web.auth import public
from shared.web.metrics import exposition
from shared.web.routing import router_for
from shared.web.transactions import RuntimeDep

TIMEOUT_S = 2.0
"""How long a part may take to answer."""

log = structlog.get_logger(__name__)


async def _database(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.fetchval("SELECT 1")


async def _broker(runtime: Runtime) -> None:
    await runtime.bus.ping()


PARTS: dict[str, Callable[[Runtime], Awaitable[None]]] = {"database": _database, "broker": _broker}


async def readiness(runtime: Runtime) -> dict[str, Any]:
    """Return `{ready, parts}`, with what is wrong with each part that is not."""
    answers = await asyncio.gather(*(_asked(name, ask(runtime)) for name, ask in PARTS.items()))
    parts = dict(zip(PARTS, answers, strict=True))
    return {"ready": all(part["ok"] for part in parts.values()), "service": runtime.service.name, "parts": parts}


async def _asked(name: str, answer: Awaitable[None]) -> dict[str, Any]:
    try:
        await asyncio.wait_for(answer, TIMEOUT_S)
    except TimeoutError:
        return {"ok": False, "why": f"no answer within {TIMEOUT_S:g} s"}
    except Exception as error:  # noqa: BLE001  (whatever it is, it is why the part is not ready)
        log.warning("part_not_ready", part=name, error=str(error))
        return {"ok": False, "why": type(error).__name__}
    return {"ok": True}


def health_router() -> APIRouter:
    """Return the routes that supervisors and Prometheus ask."""
    router = router_for("health")

    @router.get("/healthz", dependencies=[public()], include_in_schema=False)
    async def alive() -> dict[str, bool]:
        return {"alive": True}

    @router.get("/readyz", dependencies=[public()], include_in_schema=False)
    async def ready(runtime: RuntimeDep, response: Response) -> dict[str, Any]:
        state = await readiness(runtime)
        response.status_code = 200 if state["ready"] else 503
        return state

    @router.get("/metrics", dependencies=[public()], include_in_schema=False)
    async def metrics(request: Request) -> Response:
        return exposition(request.app)

    return router
