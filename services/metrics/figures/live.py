"""The stream that says when figures changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from services.metrics.stream import Changes
from shared.web import RuntimeDep, requires, router_for
from shared.web.sse import Happening, sse

EXAMPLE = 'event: figures\nid: 42\ndata: {"turn": 42}\n\n'

router = router_for("metrics", prefix="/v1/metrics", tags=["figures"])


@router.get(
    "/stream",
    summary="Follow the figures live",
    response_class=StreamingResponse,
    dependencies=[requires("metrics:read")],
    responses={200: {"content": {"text/event-stream": {"example": EXAMPLE}}, "description": "Server-sent events."}},
)
async def follow_figures(runtime: RuntimeDep) -> StreamingResponse:
    """Send an event `figures` at once, and whenever figures changed; what changed is to be asked for again."""
    return sse(_happenings(runtime.resources))


async def _happenings(changes: Changes) -> AsyncIterator[Happening]:
    async for turn in changes.follow():
        yield Happening({"turn": turn}, event="figures", id=str(turn))
