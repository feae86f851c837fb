"""What a process loads: what it holds in memory it holds at every moment, in each of a deployment's processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.routes import SERVICE_NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_a_worker_leaves_what_answers_requests_unloaded_and_knows_every_table(name: str) -> None:
    apis = list(modules_of(name, "*api.py"))
    assert apis, "which the service has"

    said = alone(f"""
        import sys
        import shared.main
        from services.{name}.app import SERVICE

        loaded, tables = sys.modules.keys() & {{"joserfc", *{apis}}}, set(SERVICE.metadata.tables)
        SERVICE.routers()
        print(sorted(loaded), sorted(set(SERVICE.metadata.tables) - tables), sys.modules.keys() >= {set(apis)})
    """)

    assert said == "[] [] True"


def test_leads_loads_the_holidays_of_its_country_alone() -> None:
    said = alone("""
        import sys
        from datetime import date
        import services.leads.settings
        from services.leads.leads.working_time import knows_country, public_holidays

        print(knows_country("IR"), date(2026, 3, 21) in public_holidays("IR"))
        print([name for name in sys.modules if name.startswith("holidays.countries")])
    """)

    assert said == "True True\n[]"


def test_what_speaks_with_panels_and_mail_servers_is_loaded_by_those_who_send_alone() -> None:
    said = alone("""
        import sys
        import shared.main
        from services.messaging.app import SERVICE

        SERVICE.routers()
        print(sorted(sys.modules.keys() & {"httpx", "aiosmtplib"}))
    """)

    assert said == "[]"


def modules_of(name: str, pattern: str) -> Iterator[str]:
    """Yield the modules of a service whose files match."""
    for file in sorted((ROOT / "services" / name).rglob(pattern)):
        yield ".".join(file.relative_to(ROOT).with_suffix("").parts)


def alone(code: str) -> str:
    """Run code in a process of its own; return what it said."""
    lines = "\n".join(line.strip() for line in code.splitlines())
    ended = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout.strip()
