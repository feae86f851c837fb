"""deploy/grafana: every panel asks for figures that the services have, of the source that is provisioned."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.conftest import MakeRuntime
from tests.deploy.figures import asked_in_vain, exposed_by_services
from tests.support.compose import ROOT, compose, environment_of, filled

FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "peyvand.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


async def test_every_panel_asks_for_figures_and_labels_that_are_exposed(make_runtime: MakeRuntime) -> None:
    exposed = await exposed_by_services(make_runtime)
    for panel in PANELS:
        for target in panel["targets"]:
            assert asked_in_vain(target["expr"], exposed) == [], panel["title"]
            assert target["expr"].count("(") == target["expr"].count(")")
            assert target["expr"].count("{") == target["expr"].count("}")


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("max(peyvand_nothing)", ["peyvand_nothing"]),
        ('rate(peyvand_http_requests_total{colour="red"}[5m])', ["peyvand_http_requests_total{colour}"]),
        ("sum by (colour) (peyvand_http_requests_total)", ["colour"]),
        ("1 + 1", ["1 + 1"]),
    ],
)
def test_what_nobody_exposes_is_found(query: str, wrong: list[str]) -> None:
    assert asked_in_vain(query, {"peyvand_http_requests_total": {"job", "route"}}) == wrong


def test_a_legend_names_what_its_query_keeps_apart() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            said = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = re.search(r"by \((.*?)\)", target["expr"])
            kept = set(grouped[1].split(", ")) - {"le"} if grouped else {"job", "instance"}
            assert said <= kept, panel["title"]


def test_every_panel_says_what_it_shows_and_stands_on_nobody() -> None:
    places = [(panel["id"], panel["gridPos"]) for panel in DASHBOARD["panels"]]

    assert len({number for number, _ in places}) == len(places)
    assert [panel["title"] for panel in PANELS if len(panel["description"]) < 30] == []
    assert not [(one, other) for (one, a), (other, b) in combinations(places, 2) if overlap(a, b)]


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    aside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (aside or above)


def test_what_is_provisioned_is_what_the_dashboard_asks_and_where_compose_puts_it() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/peyvand.yml").read_text())["providers"]
    containers = compose(filled())["services"]
    grafana, asked = containers["grafana"], {json.dumps(panel["datasource"]) for panel in PANELS}
    mounted = {place: source for source, place, _ in (each.split(":") for each in grafana["volumes"] if each[0] == ".")}

    assert asked == {json.dumps({"type": source["type"], "uid": source["uid"]})}
    assert source["url"] == "http://prometheus:9090"
    assert set(grafana["networks"]) & set(containers["prometheus"]["networks"])
    assert grafana["profiles"] == containers["prometheus"]["profiles"] == ["monitoring"]
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    assert (
        environment_of(grafana)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == "/etc/grafana/dashboards/peyvand.json"
    )
