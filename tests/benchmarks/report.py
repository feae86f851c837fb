"""The table of a run, and the JSON that it is kept as."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.benchmarks.harness import Row


def show(machine: Mapping[str, str], rows: Sequence[Row], left_out: Mapping[str, str]) -> None:
    """Print the machine, the table, and what was left out and why."""
    console = Console(width=150)
    for name, value in machine.items():
        console.print(f"{name}: {value}", highlight=False)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("what", "ours", "yardstick", "theirs", "value", "goal", ""):
        table.add_column(heading, justify="right" if heading in {"ours", "theirs", "value", "goal"} else "left")
    for row in rows:
        table.add_row(
            row.what + (f"\n  [dim]{row.note}[/dim]" if row.note else ""),
            _figure(row.ours, row.unit),
            row.yardstick,
            "" if row.theirs is None else _figure(row.theirs, row.unit),
            f"{row.value:.3g}",
            str(row.goal),
            "[green]met[/green]" if row.met else "[red]short[/red]",
        )
    console.print(table)
    for row in rows:
        if row.profile is not None:
            console.print(f"profile of {row.what}: {row.profile}", highlight=False)
    for name, reason in left_out.items():
        console.print(f"left out: {name}: {reason}", highlight=False)


def keep(file: Path, machine: Mapping[str, str], rows: Sequence[Row], left_out: Mapping[str, str]) -> None:
    """Write the run as JSON."""
    found = {
        "machine": dict(machine),
        "rows": [asdict(row) | {"value": row.value, "met": row.met} for row in rows],
        "left_out": dict(left_out),
    }
    file.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def _figure(value: float, unit: str) -> str:
    if unit.endswith("/s"):
        return f"{value:,.0f} {unit}"
    if unit == "s" and value < 1:
        return f"{value * 1000:,.2f} ms"
    return f"{value:,.2f} {unit}"
