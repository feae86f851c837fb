"""What the services expose to Prometheus, and whether a query asks for it."""

from __future__ import annotations

import re

from services.embedded import SERVICES
from tests.conftest import MakeRuntime
from tests.support.api import client

Exposed = dict[str, set[str]]
"""Each figure's labels."""

PROMETHEUS_OWN = {"up": {"job", "instance"}}
NAME = r"(?:up\b|(?:peyvand|process)_\w+)"


async def exposed_by_services(make_runtime: MakeRuntime) -> Exposed:
    """Return the figures that the five services expose, and the labels of each."""
    found: Exposed = {}
    for service in SERVICES:
        async with client(await make_runtime(service)) as http:
            await http.get("/v1/nowhere")
            text = (await http.get("/metrics")).text
        names = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
        for name, kind in names:
            for suffix in ("", "_bucket", "_count", "_sum") if kind == "histogram" else ("",):
                found.setdefault(name + suffix, {"job", "instance"})
        for name, labels in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
            found.setdefault(name, {"job", "instance"}).update(re.findall(r'(\w+)="', labels))
    found["peyvand_consumer_behind_events"] |= {"topic", "partition"}
    found["peyvand_consumer_stopped"] |= {"topic", "partition"}
    return found | PROMETHEUS_OWN


def asked_in_vain(query: str, exposed: Exposed) -> list[str]:
    """Return the figures and labels that a query names and nobody exposes; a query without any figure is one."""
    names = set(re.findall(NAME, query))
    if not names <= set(exposed):
        return sorted(names - set(exposed))
    labels = {label for name in names for label in exposed[name]}
    selected = [
        (name, label)
        for name, selector in re.findall(rf"({NAME})\{{(.*?)\}}", query)
        for label in re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)
    ]
    grouped = {label for group in re.findall(r"by \((.*?)\)", query) for label in group.split(", ")}
    wrong = [f"{name}{{{label}}}" for name, label in selected if label not in exposed[name]]
    return wrong + sorted(grouped - labels) if names else [query]
