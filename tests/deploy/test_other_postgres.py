"""Another PostgreSQL than the wheel's, named by a variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.postgres import PROGRAMS, EmbeddedPostgres, PostgresFailed, bundled, programs


def test_the_programs_are_those_of_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").symlink_to(bundled())
    monkeypatch.setenv(PROGRAMS, str(tmp_path / "bin"))

    assert programs() == tmp_path / "bin"
    assert EmbeddedPostgres(tmp_path / "data").command(5432)[0] == str(tmp_path / "bin/postgres")


def test_a_folder_without_them_is_named_in_the_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAMS, str(tmp_path))

    with pytest.raises(PostgresFailed, match=f"POSTGRES_BIN is {tmp_path}, where there is no initdb"):
        programs()
