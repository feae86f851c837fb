"""What the layout promises: where packages come from, what a service needs, what locks and texts may hold."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import services
import shared

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("leads", "customers", "surveys", "messaging", "metrics")


def test_services_and_shared_are_ours_and_not_those_of_a_package_index() -> None:
    assert Path(str(shared.__file__)).parent == ROOT / "shared"
    assert Path(str(services.__file__)).parent == ROOT / "services"


@pytest.mark.parametrize("name", NAMES)
def test_a_service_starts_from_its_own_folder_and_shared_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    shutil.copy(ROOT / "services" / "__init__.py", tmp_path / "services")
    shutil.copytree(ROOT / "services" / name, tmp_path / "services" / name)
    shutil.copytree(ROOT / "shared", tmp_path / "shared")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}

    started = subprocess.run(
        [sys.executable, "-P", "-m", f"services.{name}", "api"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert started.returncode == 1
    assert started.stderr.splitlines()[0].startswith(f"{name.upper()}_DATABASE_URL is missing")


@pytest.mark.parametrize("name", NAMES)
def test_importing_a_service_makes_no_engine_and_reads_no_settings(name: str) -> None:
    code = (
        "import sqlalchemy.ext.asyncio as a, pydantic_settings as p\n"
        "def refuse(*args, **kwargs): raise AssertionError('made at import')\n"
        "a.create_async_engine = refuse\n"
        "p.BaseSettings.__init__ = refuse\n"
        f"import services.{name}.app\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").iterdir()), ids=lambda file: file.name)
def test_a_lock_holds_hashes_and_no_addresses(file: Path) -> None:
    text = file.read_text()
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    packages = re.split(r"\n(?=[a-z0-9])", body)

    assert "://" not in text
    assert [package for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_service_stays_readable_in_size(name: str) -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in (ROOT / "services" / name).rglob("*.py")}

    assert [str(file.relative_to(ROOT)) for file, length in lengths.items() if length > 400] == []


def test_the_modules_of_shared_import_without_any_service() -> None:
    for module in ("shared.main", "shared.worker", "shared.web.app", "shared.runtime", "shared.migrate"):
        importlib.import_module(module)
    code = "import shared.main, sys; sys.exit(any(m.startswith('services.') for m in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
