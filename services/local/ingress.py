"""The ingress' configuration: the file that compose uses too, filled in as envsubst does there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.ports import HOST, Ports

TEMPLATE = Path(__file__).parents[2] / "deploy" / "ingress" / "nginx.conf.template"
NOBODY = "192.0.2.1"
"""Whom the ingress believes about who calls, where nothing stands in front of it: an address that nobody has."""


def variables(ports: Ports) -> dict[str, str]:
    """Return what the template leaves open."""
    servers = {name: _servers(numbers) for name, numbers in (ports.apis | {"sandbox": (ports.sandbox,)}).items()}
    return {
        "INGRESS_LISTEN": f"{HOST}:{ports.ingress}",
        "INGRESS_TRUSTED": NOBODY,
        **{f"{name.upper()}_SERVERS": value for name, value in servers.items()},
    }


def render(given: Mapping[str, str]) -> str:
    """Fill the template in; what is not given, such as nginx' own `$uri`, stays as it is."""
    names = "|".join(given)
    return re.sub(rf"\$\{{({names})\}}", lambda found: given[found[1]], TEMPLATE.read_text())


def _servers(ports: Sequence[int]) -> str:
    """Return the servers of an upstream; none is taken for dead because it was away a moment ago."""
    return " ".join(f"server {HOST}:{port} max_fails=0;" for port in ports)
