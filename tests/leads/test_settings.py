from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from services.leads.settings import Settings
from shared.settings import SettingsError, load

GIVEN = {
    "PEYVAND_BUS_DATABASE_URL": "postgresql://localhost/bus",
    "PEYVAND_JWT_PUBLIC_KEY": "key",
    "PEYVAND_SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "LEADS_DATABASE_URL": "postgresql://localhost/leads",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def test_by_default_leads_are_answered_saturday_to_thursday_from_half_past_eight_to_half_past_five() -> None:
    settings = load(Settings)
    asked = datetime(2026, 11, 19, 17, 29, tzinfo=ZoneInfo("Asia/Tehran"))

    assert settings.working_time.due(asked, settings.first_response) == datetime(
        2026, 11, 21, 8, 34, tzinfo=ZoneInfo("Asia/Tehran")
    )


def test_hours_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADS_WORKING_DAYS", "Mon, tue")
    monkeypatch.setenv("LEADS_OPENS_AT", "10:00")
    monkeypatch.setenv("LEADS_HOLIDAY_COUNTRY", "")
    monkeypatch.setenv("LEADS_EXTRA_HOLIDAYS", "2026-11-23, 2026-11-24")
    settings = load(Settings)

    assert (settings.working_days, settings.opens_at, settings.holiday_country) == (("mon", "tue"), time(10), None)
    assert settings.extra_holidays == (date(2026, 11, 23), date(2026, 11, 24))


def test_currencies_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEYVAND_CURRENCIES", "IRR:0, EUR:2")

    assert load(Settings).currencies == {"IRR": 0, "EUR": 2}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LEADS_WORKING_DAYS", "sat,someday", "LEADS_WORKING_DAYS is wrong"),
        ("LEADS_WORKING_DAYS", "", "LEADS_WORKING_DAYS is wrong"),
        ("LEADS_OPENS_AT", "18:00", "17:30:00 is not after LEADS_OPENS_AT, which is 18:00:00."),
        ("LEADS_HOLIDAY_COUNTRY", "Atlantis", "'Atlantis' is no country whose holidays are known; IR is."),
        ("LEADS_EXTRA_HOLIDAYS", "tomorrow", "LEADS_EXTRA_HOLIDAYS is wrong"),
        ("PEYVAND_CURRENCIES", "IRR:0,toman", "toman is no currency with its digits; IRR:0,USD:2 is."),
        ("PEYVAND_CURRENCIES", "", "nothing is no currency with its digits; IRR:0,USD:2 is."),
        ("LEADS_FIRST_RESPONSE_MINUTES", "0", "LEADS_FIRST_RESPONSE_MINUTES is wrong"),
    ],
)
def test_what_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refused:
        load(Settings)
    assert said in str(refused.value)
