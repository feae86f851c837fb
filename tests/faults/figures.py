"""Figures: read from the API, and worked out once more from what was acknowledged, by other means."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from services.metrics.app import SERVICE
from shared.clock import utcnow
from shared.db import Database
from shared.outbox.rebuild import rebuild
from shared.service import Runtime
from shared.settings import load
from tests.faults.ledger import Ledger
from tests.support.api import keys
from tests.support.deployments import Deployment
from tests.support.runtimes import SECRET

ZONE: Final = ZoneInfo("Asia/Tehran")
ACTIVE: Final = timedelta(days=90)
YEARS: Final = 2
READ: Final = (
    "retention", "churn", "purchase_retention", "repeat_purchase_rate", "purchases", "revenue", "average_order_value",
    "clv_historical", "csat", "response_rate", "leads_captured", "leads_answered_in_time", "funnel",
)  # fmt: skip

Point = Mapping[str, Any]


async def read_all(http: httpx.AsyncClient) -> dict[str, Any]:
    """Read every figure over the span of the load, as one and by months."""
    read: dict[str, Any] = {}
    for figure in READ:
        more = {"scale": "1-5"} if figure in {"csat", "response_rate"} else {}
        for interval in (None, "month"):
            query = {**_span(), **more, **({"interval": interval} if interval else {})}
            answer = (await http.get(f"/v1/metrics/{figure}", params=query)).raise_for_status()
            read[f"{figure} {interval or 'whole'}"] = answer.json()["points"]
    return read


async def make_anew(deployment: Deployment) -> int:
    """Rebuild the figures from the log, as `peyvand rebuild metrics` does; return how many records were read."""
    url = deployment.databases[SERVICE.name]
    settings = load(
        SERVICE.settings,
        database_url=url,
        bus_database_url=deployment.databases["bus"],
        jwt_public_key=keys().public_pem,
        secret_key=SECRET,
    )
    db = Database(url)
    try:
        return await rebuild(Runtime(SERVICE, settings, db, deployment.bus))
    finally:
        await db.close()


def compare(before: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> list[str]:
    """Compare the figures that were kept with those of a rebuild."""
    return [f"{name}: {before[name]}, but rebuilt it is {rebuilt[name]}"
            for name in before if before[name] != rebuilt[name]]  # fmt: skip


def check(figures: Mapping[str, Any], ledger: Ledger) -> list[str]:
    """Compare the figures with what comes out of the acknowledged requests."""
    findings = []
    for name, (have, want) in _totals(figures, ledger).items():
        if have != want:
            findings.append(f"{name}: {have}, but {want} was acknowledged")
    for point in figures["retention month"]:
        if point["complete"]:
            want_parts = _retention(ledger, _start(point["from"]), _start(point["to"]))
            have_parts = {part: point["parts"][part] for part in want_parts}
            if have_parts != want_parts:
                findings.append(f"retention {point['from']}: {have_parts}, but {want_parts}")
    return findings


def _totals(figures: Mapping[str, Any], ledger: Ledger) -> dict[str, tuple[Any, Any]]:
    counting = [bought for bought in ledger.purchases() if not bought.cancelled]
    answers = [person.answer for person in ledger.people if person.answer is not None]
    satisfied = sum(answer >= 4 for answer in answers)
    leads = ledger.leads
    [in_time], [funnel] = figures["leads_answered_in_time whole"], figures["funnel whole"]
    return {
        "leads_captured": (figures["leads_captured whole"][0]["count"], len(leads)),
        "leads answered in time": (in_time["parts"]["in_time"], sum(lead.in_time for lead in leads)),
        "leads won": (funnel["parts"]["won"], sum(lead.converted for lead in leads)),
        "leads whose person bought": (funnel["parts"]["bought_90d"], sum(bool(lead.counting) for lead in leads)),
        "purchases": (figures["purchases whole"][0]["count"], len(counting)),
        "revenue": (int(figures["revenue whole"][0]["value"] or 0), sum(bought.value_minor for bought in counting)),
        "csat answers": (_first(figures["csat whole"], "count"), len(answers)),
        "csat": (_first(figures["csat whole"], "value"), satisfied * 100 / len(answers) if answers else None),
    }


def _first(points: list[Point], name: str) -> Any:
    return points[0][name] if points else (0 if name == "count" else None)


def _retention(ledger: Ledger, start: datetime, after: datetime) -> dict[str, int]:
    """Count who had bought within 90 days before the two ends of a month, person by person."""
    times = [sorted(bought.occurred_at for bought in person.counting) for person in ledger.people]
    at_start = [_active(own, start) for own in times]
    at_end = [_active(own, after) for own in times]
    came = [own for own, before, now in zip(times, at_start, at_end, strict=True) if now and not before]
    new = sum(start <= own[0] < after for own in came)
    parts = {"active_at_start": sum(at_start), "active_at_end": sum(at_end), "new": new, "won_back": len(came) - new}
    return dict(sorted(parts.items()))


def _active(times: list[datetime], at: datetime) -> bool:
    place = bisect_left(times, at)
    return place > 0 and at - times[place - 1] <= ACTIVE


def _span() -> dict[str, str]:
    today = utcnow().astimezone(ZONE).date()
    return {"from": f"{today.year - YEARS}-01-01", "to": (today + timedelta(days=2)).isoformat()}


def _start(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=ZONE).astimezone(UTC)
