"""`/v1/surveys/fatigue`: how often people are asked, across all surveys."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import select

from services.surveys.fatigue.models import Fatigue
from services.surveys.fatigue.queries import current_fatigue
from services.surveys.fatigue.schemas import FatigueOut, FatiguePatch
from shared.errors import PreconditionFailed
from shared.web import Tx, check_if_match, etag, problems, requires, router_for

router = router_for("surveys", prefix="/v1/surveys", tags=["surveys"])


@router.get(
    "/fatigue",
    summary="Read how often people are asked",
    response_model=FatigueOut,
    dependencies=[requires("surveys:read")],
)
async def read_fatigue(tx: Tx, response: Response) -> Fatigue:
    """Read after how many days a person may be asked again, by any survey, and what is exempt from that."""
    fatigue = await current_fatigue(tx)
    response.headers["ETag"] = etag(fatigue.version)
    return fatigue


@router.patch(
    "/fatigue",
    summary="Change how often people are asked",
    response_model=FatigueOut,
    dependencies=[requires("surveys:admin")],
    responses=problems(PreconditionFailed),
)
async def patch_fatigue(body: FatiguePatch, request: Request, tx: Tx, response: Response) -> Fatigue:
    """Change what is given; it holds from the next request to ask somebody on."""
    fatigue = (await tx.scalars(select(Fatigue).with_for_update())).one()
    check_if_match(request, fatigue.version)
    for name, value in body.changes().items():
        setattr(fatigue, name, value)
    fatigue.version += 1
    response.headers["ETag"] = etag(fatigue.version)
    return fatigue
