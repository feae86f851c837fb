"""Starting a service: what stands in the way is said in a sentence."""

from __future__ import annotations

import pytest

from services.leads.app import SERVICE
from shared.main import main
from tests.support.api import keys
from tests.support.runtimes import SECRET


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    """Set what a service needs, on servers that nobody runs; the suite's own logging stays."""
    monkeypatch.setattr("shared.main.configure_logging", lambda _settings: None)
    nowhere = f"postgresql://leads:a-password@127.0.0.1:{unused_tcp_port}/leads"
    for name, value in {
        "LEADS_DATABASE_URL": nowhere,
        "PEYVAND_BUS_DATABASE_URL": nowhere,
        "PEYVAND_JWT_PUBLIC_KEY": keys().public_pem,
        "PEYVAND_SECRET_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("deployed")
def test_a_migration_of_a_database_that_is_away_says_so_without_its_password() -> None:
    with pytest.raises(SystemExit, match=r"^The database of leads cannot be reached: ") as ended:
        main(SERVICE, ["migrate"])

    assert "a-password" not in str(ended.value)


@pytest.mark.usefixtures("deployed")
def test_an_api_without_a_key_that_can_be_read_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEYVAND_JWT_PUBLIC_KEY", "/nowhere.pem")

    with pytest.raises(SystemExit, match=r"PEYVAND_JWT_PUBLIC_KEY is wrong: '/nowhere.pem' is neither PEM nor a file"):
        main(SERVICE, ["api"])
