"""Feeds the CDNOW purchase log through the public bulk API.

The log (`CDNOW_master.txt`) has a line a purchase: customer, day, number of discs, dollars. Some lines are equal and
some amounts are 0; each is a purchase all the same. Dollars are fed as US cents, so the deployment has to know USD,
as it does unless it is configured otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.demo.client import Api, DemoFailed, wait_for
from services.demo.figures import show_cohorts, show_totals

SOURCE = "cdnow"
CURRENCY = "USD"
BATCH = 10_000
FILE = "CDNOW_master.txt"
NOON = 12


@dataclass(frozen=True, slots=True)
class Purchase:
    """A line of the log; `ordinal` is its place among the lines of its customer, from 1."""

    customer: str
    ordinal: int
    day: date
    discs: int
    cents: int

    def item(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the purchase as the bulk API takes it: at noon of its day, named so that a repeat is one."""
        return {
            "source": SOURCE,
            "external_id": f"{self.customer}-{self.ordinal}",
            "customer_external_id": self.customer,
            "occurred_at": datetime(self.day.year, self.day.month, self.day.day, NOON, tzinfo=zone),
            "amount_minor": self.cents,
            "currency": CURRENCY,
        }


def default_path() -> Path:
    """Return the log that the package `lifetimes` carries. The package is found, not imported: it needs much."""
    spec = find_spec("lifetimes")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    found = next((folder / "datasets" / FILE for folder in folders if (folder / "datasets" / FILE).is_file()), None)
    if found is None:
        raise DemoFailed(f"{FILE} is not here: install the package lifetimes, which carries it, or name the file.")
    return found


def read(path: Path) -> Iterator[Purchase]:
    """Yield the purchases of a log, in its order; raises `DemoFailed` naming the line that does not fit."""
    ordinals: dict[str, int] = {}
    try:
        with path.open(encoding="ascii") as file:
            for number, line in enumerate(file, start=1):
                if line.strip() and not _is_header(line, number):
                    yield _purchase(line, number, ordinals)
    except OSError as error:
        raise DemoFailed(f"{path} cannot be read: {error.strerror}.") from None


def feed(api: Api, path: Path, console: Console) -> None:
    """Send the whole log, and print rate and figures."""
    zone = ZoneInfo(api.get("/v1/metrics")["time_zone"])
    purchases = list(read(path))
    if not purchases:
        raise DemoFailed(f"{path} holds no purchase.")
    customers = len({each.customer for each in purchases})
    console.print(f"{len(purchases):,} purchases of {customers:,} customers in {path.name}")
    began = time.monotonic()
    outcome = _send(api, purchases, zone, console)
    took = time.monotonic() - began
    console.print(
        f"{outcome['created']:,} recorded, {outcome['unchanged']:,} known already, in {took:.1f} s: "
        f"[bold]{len(purchases) / took:,.0f} purchases a second[/]"
    )
    _wait_for_figures(api, purchases, console)
    first, last = min(each.day for each in purchases), max(each.day for each in purchases)
    show_totals(api, first, last, CURRENCY, console)
    show_cohorts(api, first, last, console)


def _is_header(line: str, number: int) -> bool:
    return number == 1 and not line.split(maxsplit=1)[0].isdecimal()


def _purchase(line: str, number: int, ordinals: dict[str, int]) -> Purchase:
    try:
        customer, day, discs, dollars = line.split()
        ordinals[customer] = ordinals.get(customer, 0) + 1
        when = datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007  (a day has no zone)
        return Purchase(customer, ordinals[customer], when, int(discs), cents(dollars))
    except ValueError:
        raise DemoFailed(
            f"Line {number} is no purchase: {line.strip()!r}. Customer, day, discs, dollars are."
        ) from None


def cents(dollars: str) -> int:
    """Return dollars as the log writes them in whole cents; a sum of binary fractions would lose some."""
    whole, _, fraction = dollars.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0")[:2] or "0")


def _send(api: Api, purchases: list[Purchase], zone: ZoneInfo, console: Console) -> dict[str, int]:
    outcome = {"created": 0, "unchanged": 0}
    columns = (TextColumn("feeding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("feeding", total=len(purchases))
        rest = iter(purchases)
        while batch := list(islice(rest, BATCH)):
            answer = api.post_lines("/v1/purchases/bulk", [orjson.dumps(each.item(zone)) for each in batch])
            _refuse_errors(answer, batch)
            for name in outcome:
                outcome[name] += answer[name]
            progress.advance(task, len(batch))
    return outcome


def _refuse_errors(answer: dict[str, Any], batch: list[Purchase]) -> None:
    if answer["errors"]:
        wrong = next(each for each in answer["results"] if each["status"] == "error")
        purchase = batch[wrong["index"]]
        raise DemoFailed(f"{answer['errors']} purchases were refused, the first {purchase}: {wrong['errors']}")


def _wait_for_figures(api: Api, purchases: list[Purchase], console: Console) -> None:
    """Wait until metrics has counted every purchase of the log's span."""
    first, last = min(each.day for each in purchases), max(each.day for each in purchases)
    query = {"from": first.isoformat(), "to": date.fromordinal(last.toordinal() + 1).isoformat()}

    def counted() -> bool | None:
        points = api.get("/v1/metrics/purchases", **query)["points"]
        return True if sum(point["count"] for point in points) >= len(purchases) else None

    with console.status("waiting for metrics to count them"):
        wait_for(counted, "Counting every purchase", within=300)
