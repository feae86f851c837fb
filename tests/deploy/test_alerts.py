"""deploy/prometheus: every alert asks for figures that the services have, and every process is scraped."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import yaml

from services.embedded import SERVICES
from shared.web.app import create_operational_app
from tests.conftest import MakeRuntime
from tests.deploy.figures import Exposed, asked_in_vain, exposed_by_services
from tests.support.api import client
from tests.support.compose import ROOT, compose, environment_of, filled

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


@pytest.fixture
async def exposed(make_runtime: MakeRuntime) -> Exposed:
    return await exposed_by_services(make_runtime)


async def test_every_alert_asks_for_figures_and_labels_that_are_exposed(exposed: Exposed) -> None:
    for rule in RULES:
        assert asked_in_vain(rule["expr"], exposed) == [], rule["alert"]


async def test_a_worker_exposes_the_figures_that_the_api_of_its_service_does(make_runtime: MakeRuntime) -> None:
    for service in SERVICES:
        runtime = await make_runtime(service)
        transport = httpx.ASGITransport(create_operational_app(runtime))
        async with client(runtime) as api, httpx.AsyncClient(transport=transport, base_url="http://worker") as worker:
            told = [(await each.get("/metrics")).text for each in (api, worker)]
        of_api, of_worker = (set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) for text in told)
        assert of_api == of_worker


async def test_figures_of_a_services_own_work_are_numbers(make_runtime: MakeRuntime) -> None:
    for service in SERVICES:
        async with client(await make_runtime(service)) as http:
            text = (await http.get("/metrics")).text
        for measure in service.measures:
            assert f"{measure.name} 0.0\n" in text


@rules
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["description"]) > 80
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert rule["expr"].count("{") == rule["expr"].count("}")
    said = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    grouped = re.findall(r"by \((.*?)\)", rule["expr"])
    if grouped:
        assert said <= set(grouped[0].split(", ")) - {"le"}


def test_no_two_alerts_share_a_name() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_every_api_and_worker_is_scraped_where_it_listens() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    containers = compose(filled())["services"]
    scraped = {
        name: each["port"]
        for job in configuration["scrape_configs"]
        for each in job["dns_sd_configs"]
        for name in each["names"]
    }

    assert scraped == {f"{service.name}-{role}": 8000 for service in SERVICES for role in ("api", "worker")}
    assert {job["job_name"] for job in configuration["scrape_configs"]} == {service.name for service in SERVICES}
    assert [name for name in scraped if "edge" not in containers[name]["networks"]] == []
    assert not [name for name in scraped if any(each.endswith("_PORT") for each in environment_of(containers[name]))]
    assert [file for file in configuration["rule_files"] if not (FOLDER / file).exists()] == []
