"""What the texts name exists: files, tests, and commands of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.cli import app
from services.messaging.inbound.webhooks import USUAL_FIELDS
from services.messaging.messages.statuses import Status

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


OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_operators_are_told_of_every_alert_and_of_none_that_does_not_exist() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    _, _, table = OPERATIONS.partition("| alert |")
    rows = table.partition("\n\n")[0].splitlines()
    told = [name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row.split("|")[1])]

    assert sorted(told) == sorted(alerts)
    assert [row for row in rows[2:] if any(len(cell.strip()) < 15 for cell in row.split("|")[2:4])] == []
    assert alerts


def test_every_command_that_operators_are_told_of_exists() -> None:
    told = re.findall(r"`peyvand ([a-z][a-z-]*)(?: ([a-z]+))?", OPERATIONS)
    told += re.findall(r"docker compose run[^`\n]* operator ([a-z]+)(?: ([a-z]+))?", OPERATIONS)
    groups = {group.name: group.typer_instance for group in app.registered_groups if group.typer_instance}
    alone = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    within = {
        (name, command.name or getattr(command.callback, "__name__", ""))
        for name, group in groups.items()
        for command in group.registered_commands
    }

    assert {first for first, _ in told} <= alone | set(groups)
    assert {pair for pair in told if pair[0] in groups} <= within
    assert told


def test_every_setting_that_operators_are_told_of_exists() -> None:
    told = set(re.findall(r"`((?:PEYVAND|LEADS|CUSTOMERS|SURVEYS|MESSAGING|METRICS)_[A-Z_]+)`", OPERATIONS))
    known = (ROOT / "docs" / "settings.md").read_text() + (ROOT / ".env.example").read_text()

    assert [name for name in told if not re.search(rf"\b{name}\b", known)] == []
    assert told


PREFIXES = "PEYVAND|LEADS|CUSTOMERS|SURVEYS|MESSAGING|METRICS|SANDBOX"


def test_every_variable_that_the_code_names_is_told_of() -> None:
    code = "".join(file.read_text() for folder in ("services", "shared") for file in (ROOT / folder).rglob("*.py"))
    told = (ROOT / "docs" / "settings.md").read_text()

    assert [name for name in set(re.findall(rf'"((?:{PREFIXES})_[A-Z_]+)"', code)) if f"`{name}`" not in told] == []


def test_every_variable_that_compose_takes_stands_in_the_example() -> None:
    taken = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    example = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert sorted(taken - example) == []
    assert taken


def test_panels_are_told_every_name_that_is_looked_for_and_every_status() -> None:
    told = (ROOT / "docs" / "panels.md").read_text()
    rows = [", ".join(f"`{name}`" for name in names) for kind in USUAL_FIELDS.values() for names in kind.values()]

    assert [row for row in rows if f"| {row}" not in told] == []
    assert [status for status in Status if f"`{status}`" not in told] == []
