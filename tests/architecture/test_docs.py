"""What the texts name exists: files, tests, and commands of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
TARGET = re.compile(r"(?:`(?:[A-Z]+=\S+ )*|^)make ([a-z-]+)", re.MULTILINE)


def name_of(text: Path) -> str:
    return str(text.relative_to(ROOT))


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_every_link_leads_somewhere(text: Path) -> None:
    links = [link for link in LINK.findall(text.read_text()) if "://" not in link]

    assert [link for link in links if not (text.parent / link).exists()] == []


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_every_test_that_is_named_exists(text: Path) -> None:
    absent = [
        f"{path}::{test}"
        for path, test in TEST.findall(text.read_text())
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text())
    ]

    assert absent == []


@pytest.mark.parametrize("text", TEXTS, ids=name_of)
def test_every_make_target_that_is_named_exists(text: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(TARGET.findall(text.read_text())) <= targets


def test_every_alert_is_explained_to_operators() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())

    assert [alert for alert in alerts if f"`{alert}`" not in (ROOT / "docs" / "operations.md").read_text()] == []
    assert alerts
