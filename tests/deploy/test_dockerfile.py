"""deploy/Dockerfile: checked by hadolint, and that each image holds what its service needs and no more."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from shared.routes import SERVICE_NAMES

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Dockerfile"
ALONE = (*SERVICE_NAMES, "sandbox")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def stages() -> dict[str, tuple[str, list[list[str]]]]:
    """Return each stage's base and its instructions."""
    lines = re.sub(r"\\\n\s*", "", FILE.read_text()).splitlines()
    found: dict[str, tuple[str, list[list[str]]]] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["FROM"]:
            found[words[3]] = (words[1], [])
        elif words and not line.startswith("#"):
            found[next(reversed(found))][1].append(words)
    return found


def instructions(stage: str, kind: str) -> list[list[str]]:
    """Return the arguments of a stage's instructions of a kind, those that it inherits first."""
    base, own = stages()[stage]
    inherited = instructions(base, kind) if base in stages() else []
    return [*inherited, *(words[1:] for words in own if words[0] == kind)]


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [Path(sys.executable).parent / "hadolint", "--failure-threshold", "style", FILE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("name", ALONE)
def test_an_image_holds_its_own_folder_and_shared_and_the_packages_of_its_extra(name: str) -> None:
    copied = [words for words in instructions(name, "COPY") if not words[0].startswith("--from")]
    (packages,) = [words for words in instructions(name, "COPY") if words[0].startswith("--from")]
    (installed,) = instructions(f"{name}-packages", "RUN")[1:]

    assert copied == [
        ["shared", "/app/shared"],
        ["services/__init__.py", "/app/services/"],
        [f"services/{name}", f"/app/services/{name}"],
    ]
    assert packages == [f"--from={name}-packages", "/opt/venv", "/opt/venv"]
    assert installed[installed.index("--extra") :] == ["--extra", name]
    assert {"--require-hashes", "--no-build", "/build/run.txt", "/build/pyproject.toml"} <= set(installed)
    assert name in EXTRAS
    assert instructions(name, "ENTRYPOINT") == [['["python",', '"-m",', f'"services.{name}"]']]
    assert (ROOT / "services" / name / "__main__.py").exists()


@pytest.mark.parametrize("name", [*ALONE, "operator"])
def test_an_image_runs_as_nobody_special_and_has_nothing_to_build_with(name: str) -> None:
    assert instructions(name, "USER")[-1] == ["10001:10001"]
    removed = " ".join(instructions(name, "RUN")[0])
    assert "pip uninstall --yes pip setuptools wheel" in removed
    assert "packages" not in {base for base, _ in (stages()[name], stages()["runtime"])}
    assert not [words for words in instructions(name, "RUN") if {"apt-get", "apk", "gcc"} & set(words)]


def test_no_health_check_compiles_the_standard_library_anew() -> None:
    """The base has no bytecode, and a root that is read-only gets none: it would be a fifth of a second each."""
    (prepared,) = instructions("runtime", "RUN")

    assert re.search(r"python -m compileall [^&]* /usr/local/lib/python3\.11 &&", " ".join(prepared))


def test_the_operators_image_holds_the_packages_of_all_services_and_of_the_demo() -> None:
    (installed,) = instructions("operator-packages", "RUN")[1:]

    named = {installed[place + 1] for place, word in enumerate(installed) if word == "--extra"}
    assert named == {*SERVICE_NAMES, "demo"}


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from services import cli, cli_events
for name in cli.SERVICE_NAMES:
    cli_events.service_named(name)
sys.argv = ["peyvand", "migrate"]
cli.main()
"""


def test_the_operators_commands_need_no_package_that_the_image_lacks() -> None:
    (installed,) = instructions("operator-packages", "RUN")[1:]
    there = {name for place, word in enumerate(installed) if word == "--extra" for name in EXTRAS[installed[place + 1]]}
    absent = {re.split(">=", each)[0] for extra in ("sandbox", "embedded") for each in set(EXTRAS[extra]) - there}
    modules = {each.replace("-", "_") for each in absent}
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(absent=modules)],
        cwd=ROOT, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "jinja2" in modules
    assert "_DATABASE_URL is missing" in said.stderr
    assert "Traceback" not in said.stderr


def test_what_is_copied_exists_and_is_let_through_to_the_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    sources = [
        source
        for stage in stages()
        for words in instructions(stage, "COPY")
        if not words[0].startswith("--from")
        for source in words[:-1]
    ]

    assert rules[0] == "*"
    assert [source for source in sources if not (ROOT / source).exists()] == []
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert [each for each in sources if not any(each == rule or fnmatch(each, f"{rule}/*") for rule in allowed)] == []
    assert not [rule for rule in allowed if "test" in rule or ".env" in rule]


def test_every_base_is_pinned_to_the_version_that_the_project_wants() -> None:
    outside = {base for base, _ in stages().values() if base not in stages()}

    (base,) = outside
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)


@pytest.mark.parametrize("name", [*ALONE])
def test_an_image_asks_its_process_whether_it_lives(name: str) -> None:
    port, path = (8025, "sandbox") if name == "sandbox" else (8000, "healthz")

    asked = " ".join(instructions(name, "HEALTHCHECK")[-1])
    assert asked.endswith(f'CMD ["python", "-m", "shared.probe", "http://127.0.0.1:{port}/{path}"]')
