"""docker-compose.yml as Compose reads it: variables filled in, anchors resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:?[-?])(?P<word>[^}]*))?\})")


class Missing(Exception):
    """A variable that has to be set is not; the message is what Compose would say."""


def compose(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read the file with variables from `environment`; raises `Missing` as Compose refuses."""
    text = "\n".join(line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    document: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda found: _value(found, environment), text))
    return document


def variables(*, required: bool = False) -> set[str]:
    """Return the variables that the file names, or those of them that have to be set."""
    found = VARIABLE.finditer(FILE.read_text())
    return {each["name"] for each in found if each["name"] and (not required or "?" in (each["kind"] or ""))}


def filled() -> dict[str, str]:
    """Return an environment in which everything that has to be set is: each variable to a value of its own."""
    return {
        name: f"{name.lower().replace('_', '-')}-of-forty-characters-{len(name):016d}"
        for name in variables(required=True)
    }


def environment_of(service: Mapping[str, Any]) -> dict[str, str]:
    """Return what a container's environment holds; what is only passed on from the host's is not there."""
    return {name: str(value) for name, value in service.get("environment", {}).items() if value is not None}


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    name, kind, word = found["name"], found["kind"] or "", found["word"] or ""
    if name is None:
        return "$"
    value = environment.get(name)
    if value or (value == "" and not kind.startswith(":")):
        return value
    if kind.endswith("?"):
        raise Missing(f"{name}: {word}")
    return word if kind.endswith("-") else ""
