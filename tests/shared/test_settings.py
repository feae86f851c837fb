"""Settings: what is wrong is said in a sentence, and what nobody reads is named."""

from __future__ import annotations

from typing import Any

import pytest

from services.leads.settings import Settings as LeadsSettings
from shared.settings import SettingsError, load, unread

FITTING: dict[str, Any] = {
    "database_url": "postgresql://leads:secret@db.example/leads",
    "bus_database_url": "postgresql://bus@db.example/bus",
    "jwt_public_key": "a key",
    "secret_key": "x" * 32,
}


@pytest.mark.parametrize(
    "wrong",
    ["", "db.example/leads", "postgres://db.example/x", "postgresql://db.example:port/x", "mysql://db.example/x"],
)
def test_what_is_no_address_of_a_database_is_refused_and_not_quoted(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^LEADS_DATABASE_URL is wrong: .*postgresql://user:password@") as refused:
        load(LeadsSettings, **FITTING | {"database_url": wrong})

    assert "db.example" not in str(refused.value)


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ["LEADS_DATABASE_URL", "PEYVAND_KAFKA_BOOTSTRAP_SERVERS", "PEYVAND_JWT_PUBLIC_KEY", "PEYVAND_SECRET_KEY"]
    for name in missing:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as refused:
        load(LeadsSettings)

    assert [line.partition(" ")[0] for line in str(refused.value).splitlines()] == missing


def test_a_variable_that_nobody_reads_is_found_and_others_are_let_be() -> None:
    environment = ["PEYVAND_TIMEZONE", "peyvand_time_zone", "LEADS_OPEN_AT", "LEADS_OPENS_AT", "CUSTOMERS_DAYS", "PATH"]

    assert unread(environment, LeadsSettings) == ["LEADS_OPEN_AT", "PEYVAND_TIMEZONE"]
