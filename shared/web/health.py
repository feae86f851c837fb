"""Whether a process lives (`/healthz`), and whether it can do its work (`/readyz`), part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from shared.db import Database
from shared.outbox.status import OK, lost_in_a_restore, machinery_status, waiting_for_code
from shared.service import Runtime
from shared.web.auth import public
from shared.web.metrics import exposition
from shared.web.routing import router_for
from shared.web.transactions import RuntimeDep

TIMEOUT_S = 2.0
"""How long a part may take to answer."""

MACHINERY = ("broker", "relay", "consumer")

Note = Callable[[Database, str], Awaitable[str | None]]

log = structlog.get_logger(__name__)


async def readiness(runtime: Runtime) -> dict[str, Any]:
    """Return `{ready, service, parts}`, and for each part that is not well, why."""
    database, machinery = await asyncio.gather(_asked(_database(runtime)), _asked(machinery_status(runtime)))
    said: Mapping[str, str] = machinery if isinstance(machinery, Mapping) else dict.fromkeys(MACHINERY, machinery)
    if database != OK:
        said = {**said, "relay": "unknown without the database", "consumer": "unknown without the database"}
    if runtime.stopping:
        said = {**said, "process": "told to stop"}
    parts = {name: _part(why) for name, why in {"database": database, **said}.items()}
    for name, note in {"relay": lost_in_a_restore, "consumer": waiting_for_code}.items():
        if parts[name]["ok"] and (said_of_it := await _noted(runtime, note)):
            parts[name]["note"] = said_of_it
    return {"ready": all(part["ok"] for part in parts.values()), "service": runtime.service.name, "parts": parts}


async def _noted(runtime: Runtime, note: Note) -> str | None:
    """Return what an operator should know of a part that does its work."""
    said = await _asked(note(runtime.db, runtime.service.name))
    return said if isinstance(said, str) else None


async def _database(runtime: Runtime) -> str:
    async with runtime.db.connection() as connection:
        await connection.fetchval("SELECT 1")
    return runtime.db.why_no_writes() or OK


async def _asked(answer: Awaitable[Any]) -> Any:
    """Return the answer, or why there is none; whatever it is, it must not make the question fail."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await answer
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001  (any fault at all is an answer to whether a part is well)
        log.warning("part_not_ready", error=str(error))
        return type(error).__name__


def _part(why: str) -> dict[str, Any]:
    return {"ok": True} if why == OK else {"ok": False, "why": why}


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
        return await exposition(request.app)

    return router
