"""docker-compose.yml, read as Compose reads it: what the code requires is set, and what is named exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from compose_spec.models import ComposeSpecification

from services.embedded import SERVICES
from services.kafka import KafkaBroker, fetch_libraries
from services.local.ingress import TEMPLATE, render
from services.postgres import bundled
from services.sandbox.settings import Settings as SandboxSettings
from shared.main import GRACE_S, ROLES
from shared.service import Service
from shared.settings import ServiceSettings, load, variable
from tests.support.compose import ROOT, Missing, compose, environment_of, filled, variables
from tests.support.ingress import skip_without_nginx

NAMES = [service.name for service in SERVICES]
ONE_SHOT = {"roles", "operator", *(f"{name}-migrate" for name in NAMES)}
services = pytest.mark.parametrize("service", SERVICES, ids=NAMES)


@pytest.fixture
def containers() -> dict[str, Any]:
    """Lend the file's services, everything that has to be set being set."""
    found: dict[str, Any] = compose(filled())["services"]
    return found


def test_it_fits_the_specification() -> None:
    document = compose(filled())
    read = PyCompose.from_yaml(yaml.safe_dump(document)).services  # the tool itself knows no merge keys

    assert read is not None
    assert set(read) == set(document["services"])
    ComposeSpecification.model_validate(document)


@pytest.mark.parametrize("name", sorted(variables(required=True)))
def test_it_does_not_start_without(name: str) -> None:
    given = filled()
    for value in ({}, {name: ""}):
        with pytest.raises(Missing, match=f"^{name}: set it to "):
            compose({**{each: given[each] for each in given if each != name}, **value})


def test_no_secret_has_a_default_and_the_example_names_what_there_is_to_set() -> None:
    example = set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    optional = variables() - variables(required=True)

    assert {name for name in optional if re.search("PASSWORD|SECRET|ID$", name)} == {"SANDBOX_PASSWORD"}
    assert variables(required=True) <= example
    assert example <= variables() | passed_on()
    assert (
        re.findall(r"^\w*(?:PASSWORD|SECRET_KEY|CLUSTER_ID)=.+", (ROOT / ".env.example").read_text(), re.MULTILINE)
        == []
    )


def passed_on() -> set[str]:
    """Return the variables that containers get from the host as they are."""
    found = compose(filled())["services"].values()
    return {name for each in found for name, value in each.get("environment", {}).items() if value is None}


@services
def test_a_service_gets_every_setting_that_it_requires_and_none_that_it_does_not_know(
    service: Service, containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {variable(service.settings, field) for field in service.settings.model_fields}
    for role in ("api", "worker", "migrate"):
        container = containers[f"{service.name}-{role}"]
        assert set(container["environment"]) <= known
        with monkeypatch.context() as patch:
            for name, value in environment_of(container).items():
                patch.setenv(name, value)
            settings = load(service.settings)
        assert settings.mode == "distributed"
        assert settings.host == "0.0.0.0"
        assert settings.port == 8000
        assert container["command"] == [role]
        assert role in ROLES
        assert container["build"]["target"] == service.name
        assert container["image"].startswith(f"peyvand/{service.name}:")
        assert {"source": "jwt_public_key", "target": settings.jwt_public_key} in container["configs"]


@services
def test_only_its_migration_knows_the_role_that_may_change_a_services_tables(
    service: Service, containers: dict[str, Any]
) -> None:
    holders = {
        name for name, each in containers.items() if f"{service.name}_migration" in str(environment_of(each))
    } - {"roles"}

    assert holders == {f"{service.name}-migrate", "operator"}


def test_a_service_knows_the_password_of_its_own_database_alone(containers: dict[str, Any]) -> None:
    for name in NAMES:
        others = [filled()[f"{other.upper()}_PASSWORD"] for other in NAMES if other != name]
        for role in ("api", "worker", "migrate"):
            assert not [each for each in others if each in str(containers[f"{name}-{role}"])]


def test_every_container_is_held_down(containers: dict[str, Any]) -> None:
    for name, container in containers.items():
        assert container["read_only"] is True, name
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit"} <= set(container), name
        assert "privileged" not in container
        assert container.get("restart") == ("no" if name in ONE_SHOT else "unless-stopped"), name
        assert not re.search(r":latest$|^[^:]*$", container["image"]) or "build" in container, name


def test_what_runs_on_is_asked_whether_it_lives(containers: dict[str, Any]) -> None:
    for name, container in containers.items():
        if name not in ONE_SHOT and "build" not in container:  # our own images bring their check with them
            assert container["healthcheck"]["test"][0] == "CMD", name


def test_only_the_ingress_is_published_and_stores_are_reached_from_inside_alone(containers: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in containers.items() if "ports" in each}

    assert published == {
        "ingress": ["127.0.0.1:8000:8080"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    assert compose(filled())["networks"]["data"] == {"internal": True}
    assert [name for name in ("postgres", "kafka", "roles") if containers[name]["networks"] != ["data"]] == []
    assert containers["ingress"]["networks"] == ["edge"]


def test_nobody_starts_before_what_it_needs(containers: dict[str, Any]) -> None:
    workers = {f"{name}-worker": {"condition": "service_healthy"} for name in NAMES}
    for name in NAMES:
        migrated = {f"{name}-migrate": {"condition": "service_completed_successfully"}}
        assert containers[f"{name}-api"]["depends_on"] == migrated | workers
        assert containers[f"{name}-worker"]["depends_on"] == migrated
        assert containers[f"{name}-migrate"]["depends_on"] == {
            "roles": {"condition": "service_completed_successfully"},
            "kafka": {"condition": "service_healthy"},
        }
        assert containers["ingress"]["depends_on"][f"{name}-api"] == {"condition": "service_healthy"}


def test_a_container_that_is_told_to_stop_before_its_process_listens_to_signals_stops(
    containers: dict[str, Any],
) -> None:
    """The first process of a container is spared by the kernel whatever it does not handle yet; a small init is not."""
    assert [name for name, each in containers.items() if each.get("init") is not True] == []


def test_a_container_has_the_time_to_stop_that_its_process_takes(containers: dict[str, Any]) -> None:
    for name in NAMES:
        drain_s = float(environment_of(containers[f"{name}-api"])["PEYVAND_DRAIN_S"])
        assert int(containers[f"{name}-api"]["stop_grace_period"].removesuffix("s")) > drain_s + GRACE_S


def test_the_ingress_reaches_each_service_where_it_listens_and_its_configuration_is_one(
    containers: dict[str, Any], tmp_path: Path
) -> None:
    skip_without_nginx()
    given = environment_of(containers["ingress"])
    used = set(re.findall(r"\$\{(\w+)\}", "".join(uncommented(TEMPLATE))))
    places = {name: each for name, each in given.items() if name.endswith("_SERVERS")}
    ports = {f"{name}-api": ServiceSettings.model_fields["port"].default for name in NAMES}
    ports["sandbox"] = SandboxSettings.model_fields["port"].default

    assert used == {name for name in given if re.search(given["NGINX_ENVSUBST_FILTER"], name)}
    found = [re.fullmatch(r"server ([a-z-]+):(\d+) resolve max_fails=\d .*;", place) for place in places.values()]
    assert {each[1]: int(each[2]) for each in found if each} == ports
    # Debian's nginx knows no `resolve` yet, and would ask for the names here and now.
    here = {name: re.sub(r"server \S+ resolve", "server 127.0.0.1:1", value) for name, value in given.items()}
    (tmp_path / "nginx.conf").write_text(render(here))
    tried = subprocess.run(
        ["nginx", "-t", "-q", "-p", f"{tmp_path}/", "-c", str(tmp_path / "nginx.conf")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (tried.returncode, tried.stderr) == (0, "")
    assert shutil.which("nginx") is not None


def test_an_instance_that_refused_is_left_alone_until_the_ingress_asks_for_its_name_anew(
    containers: dict[str, Any],
) -> None:
    """A container that is gone answers nobody, not even with a refusal, and nginx gives up who waits then."""
    (remembered_s,) = re.findall(r"resolver 127\.0\.0\.11 valid=(\d+)s", TEMPLATE.read_text())
    servers = [value for name, value in environment_of(containers["ingress"]).items() if name.endswith("_SERVERS")]
    left_alone_s = [int(each) for each in re.findall(r"max_fails=1 fail_timeout=(\d+)s;", " ".join(servers))]

    assert len(left_alone_s) == len(servers)
    assert min(left_alone_s) > int(remembered_s)


def uncommented(file: Path) -> Iterator[str]:
    return (line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))


def test_kafka_is_the_broker_of_up_local_but_for_its_addresses(containers: dict[str, Any], tmp_path: Path) -> None:
    def settings(text: str) -> dict[str, str]:
        pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: value for name, _, value in pairs if not re.search("127|kafka", value) and name != "listeners"}

    version = re.search(r"<version>(\d[\d.]+)</version>\s+</dependency>", (ROOT / "deploy/kafka/pom.xml").read_text())
    assert version is not None
    assert containers["kafka"]["image"] == f"apache/kafka:{version[1]}"
    ours = settings((ROOT / "deploy/kafka/server.properties").read_text())
    broker = settings(KafkaBroker(tmp_path)._properties())
    assert {name: value for name, value in broker.items() if name != "log.dirs"} == ours


@pytest.mark.usefixtures("needs_kafka")
@pytest.mark.parametrize("cluster_id", ["AbCdEfGhIjKlMnOpQrStUv", "-bCdEfGhIjKlMnOpQrStUv"])
def test_kafka_formats_its_folder_with_any_id_that_the_example_makes(
    containers: dict[str, Any], tmp_path: Path, cluster_id: str
) -> None:
    properties = (ROOT / "deploy/kafka/server.properties").read_text().replace("/var/lib/kafka/data", f"{tmp_path}/log")
    (tmp_path / "server.properties").write_text(properties)
    (command,) = containers["kafka"]["command"]
    here = {
        "/opt/kafka/bin/kafka-storage.sh": f"java -cp '{fetch_libraries()}/*' kafka.tools.StorageTool",
        "/opt/kafka/bin/kafka-server-start.sh": "true",
        "/etc/peyvand/server.properties": f"{tmp_path}/server.properties",
    }
    for there, path in here.items():
        command = command.replace(there, path)
    done = subprocess.run(
        [*containers["kafka"]["entrypoint"], command],
        env={"PATH": os.environ["PATH"], "CLUSTER_ID": cluster_id}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster.id={cluster_id}" in (tmp_path / "log" / "meta.properties").read_text()


def test_nothing_in_memory_grows_without_bound(containers: dict[str, Any]) -> None:
    """What is written to a `tmpfs` counts as a container's memory."""
    kafka = environment_of(containers["kafka"])
    assert "-loggc" not in kafka["EXTRA_ARGS"]
    assert kafka["KAFKA_LOG4J_OPTS"].endswith("/tools-log4j2.yaml"), "which logs to the console alone"
    sizes = [int(size) for size in re.findall(r"size=(\d+)m", " ".join(containers["ingress"]["tmpfs"]))]
    assert len(sizes) == len(containers["ingress"]["tmpfs"])
    assert sum(sizes) < int(containers["ingress"]["mem_limit"].removesuffix("m")) - 128


def test_no_container_is_told_the_same_thing_twice(containers: dict[str, Any]) -> None:
    for name, container in containers.items():
        said = container.get("command", [])
        assert len(said) == len(set(said)), name


def test_postgresql_knows_the_options_that_it_is_started_with(containers: dict[str, Any]) -> None:
    said = subprocess.run([bundled() / "postgres", "--describe-config"], capture_output=True, text=True, check=True)
    known = {line.partition("\t")[0].lower() for line in said.stdout.splitlines()}
    given = [option.removeprefix("-c").partition("=")[0] for option in containers["postgres"]["command"][1:]]

    assert len(given) >= 5
    assert [name for name in given if name not in known] == []


def test_postgresql_is_the_version_that_the_tests_run_on(containers: dict[str, Any]) -> None:
    said = subprocess.run([bundled() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"\d+\.\d+", said)

    assert version is not None
    for name in ("postgres", "roles"):
        assert containers[name]["image"].startswith(f"postgres:{version[0]}-")


def test_the_files_that_are_mounted_exist(containers: dict[str, Any]) -> None:
    mounted = [volume.split(":") for each in containers.values() for volume in each.get("volumes", [])]
    bound = [(source, mode) for source, _, *mode in mounted if source.startswith("./")]

    assert len(bound) >= 4
    assert [source for source, _ in bound if not (ROOT / source).exists()] == []
    assert {tuple(mode) for _, mode in bound} == {("ro",)}
