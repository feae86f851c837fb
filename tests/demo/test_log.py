"""Reading the purchase log, without any deployment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.demo import cdnow
from services.demo.cdnow import Purchase, cents
from services.demo.client import DemoFailed
from tests.support.processes import ROOT


def log(folder: Path, *lines: str) -> list[Purchase]:
    file = folder / "log.txt"
    file.write_text("".join(f"{line}\r\n" for line in lines))
    return list(cdnow.read(file))


def test_equal_lines_and_free_ones_are_purchases_each_of_its_own(tmp_path: Path) -> None:
    purchases = log(
        tmp_path, " id date n dollars", " 00001 19970101 1 11.77", " 00001 19970101 1 11.77", " 2 19970101 1 0.00"
    )

    named = [
        (item["customer_external_id"], item["external_id"]) for item in (p.item(ZoneInfo("UTC")) for p in purchases)
    ]
    assert named == [("00001", "00001-1"), ("00001", "00001-2"), ("2", "2-1")]
    assert [purchase.cents for purchase in purchases] == [1177, 1177, 0]


def test_a_purchase_is_at_noon_of_its_day_in_the_deployments_zone(tmp_path: Path) -> None:
    [purchase] = log(tmp_path, "00001 19970701 1 11.77")

    item = purchase.item(ZoneInfo("Asia/Tehran"))

    assert item["occurred_at"].isoformat() == "1997-07-01T12:00:00+04:30"  # summer time, as it then was


@pytest.mark.parametrize("line", ["00001 19970101 1", "00001 19971301 1 1.00", "00001 19970101 1 dollars"])
def test_a_line_that_is_no_purchase_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DemoFailed, match="Line 2 is no purchase"):
        log(tmp_path, "00001 19970101 1 11.77", line)


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="cannot be read"):
        list(cdnow.read(tmp_path / "nothing.txt"))


@pytest.mark.parametrize(
    ("dollars", "expected"), [("0.29", 29), ("4.35", 435), ("1.1", 110), ("12", 1200), ("0.00", 0)]
)
def test_dollars_are_cents_without_a_detour_over_fractions(dollars: str, expected: int) -> None:
    assert cents(dollars) == expected


def test_the_default_log_is_found_without_importing_what_carries_it() -> None:
    look = "import sys; from services.demo import cdnow; print(cdnow.default_path(), 'lifetimes' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True, cwd=ROOT).stdout

    assert said.endswith("CDNOW_master.txt False\n")
