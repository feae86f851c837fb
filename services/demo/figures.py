"""The figures that the demo prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from services.demo.client import Api

MONTHS_SHOWN = 10
SCALE = "1-5"
SHOWN: Mapping[str, str] = {
    "leads_captured": "Leads captured",
    "leads_answered_in_time": "Leads answered in time, %",
    "purchases": "Purchases",
    "retention": "Retention, %",
    "csat": "CSAT, %",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of the present month: its value, what it rests on, and what it was made of."""

    value: Any
    count: int
    parts: Mapping[str, Any]

    def __str__(self) -> str:
        value = "–" if self.value is None else f"{self.value:.1f}" if isinstance(self.value, float) else str(self.value)
        parts = " ".join(f"{name}={part}" for name, part in self.parts.items() if part is not None)
        return f"{value}  ({parts})" if parts else f"{value}  (of {self.count})"


def read(api: Api) -> dict[str, Reading]:
    """Read the figures of the present Jalali month."""
    return {figure: _latest(api.get(f"/v1/metrics/{figure}", **_query(figure))["points"]) for figure in SHOWN}


def show_change(before: Mapping[str, Reading], after: Mapping[str, Reading], console: Console) -> None:
    """Print the figures before and after, those that moved in bold."""
    table = Table("Figure of this month", "before", "after")
    for figure, title in SHOWN.items():
        moved = before[figure] != after[figure]
        table.add_row(title, str(before[figure]), f"[bold green]{after[figure]}[/]" if moved else str(after[figure]))
    console.print(table)


def show_totals(api: Api, first: date, last: date, currency: str, console: Console) -> None:
    """Print purchases, revenue and retention of each month of a span."""
    query = {"from": first.isoformat(), "to": _after(last), "interval": "month"}
    purchases = api.get("/v1/metrics/purchases", **query)["points"]
    revenue = api.get("/v1/metrics/revenue", **query, currency=currency)["points"]
    retention = api.get("/v1/metrics/retention", **query)["points"]
    table = Table("Month", "Purchases", f"Revenue, {currency}", "Retention, %", "Active at the end")
    for bought, money, kept in zip(purchases, revenue, retention, strict=True):
        table.add_row(
            bought["from"], f"{bought['count']:,}", f"{int(money['value'] or 0) / 100:,.2f}",
            "–" if kept["value"] is None else f"{kept['value']:.1f}", f"{kept['parts']['active_at_end']:,}",
        )  # fmt: skip
    console.print(table)


def show_cohorts(api: Api, first: date, last: date, console: Console) -> None:
    """Print the share of each cohort that bought in the months after its first purchase."""
    cohorts = api.get("/v1/metrics/cohorts", **{"from": first.isoformat(), "to": _after(last)})["cohorts"]
    months = [Column(f"+{month}", justify="right", no_wrap=True) for month in range(MONTHS_SHOWN)]
    table = Table(Column("Cohort", no_wrap=True), "Size", *months, title="Of each cohort bought after months, %")
    for cohort in cohorts:
        if cohort["size"]:
            table.add_row(cohort["cohort"], f"{cohort['size']:,}", *_shares(cohort["months"]))
    console.print(table)


def _shares(months: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{month['bought_share']:.0f}" for month in months[:MONTHS_SHOWN]]


def _latest(points: Sequence[Mapping[str, Any]]) -> Reading:
    """Return the present month's figure; of satisfaction, where scales are told apart, that of the story's scale."""
    own = [point for point in points if point["by"] in (None, SCALE)]
    return Reading(own[-1]["value"], own[-1]["count"], own[-1]["parts"]) if own else Reading(None, 0, {})


def _query(figure: str) -> dict[str, str]:
    query = {"calendar": "jalali", "interval": "month"}
    return query | {"by": "scale"} if figure == "csat" else query


def _after(last: date) -> str:
    return (last + timedelta(days=1)).isoformat()
