from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from shared.ids import new_id
from shared.service import Runtime
from shared.telemetry import HIDDEN, configure_logging, looks_personal, without_personal_data
from tests.shared.web.notes import Note, NoteCreate
from tests.support.api import token


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "text",
    [
        "call +989990001234 now",
        "09990001234",
        "9990001234",
        "00989990001234",
        "989990001234",
        "۰۹۹۹۰۰۰۱۲۳۴",
        "٠٩٩٩٠٠٠١٢٣٤",
        "نامه به sara@example.com",
        "+14155550123",
        "Authorization: Bearer abc",
        f"token {token()}",
        "postgresql://leads:secret@db/leads",
    ],
)
def test_what_looks_like_personal_data_or_a_secret_is_hidden(text: str) -> None:
    said = without_personal_data(None, "info", {"event": text, "nested": {"list": [text]}})

    assert looks_personal(text)
    assert HIDDEN in said["event"]
    assert HIDDEN in said["nested"]["list"][0]
    assert not looks_personal(said["event"])


@pytest.mark.parametrize(
    "text",
    [
        "01a203af-3b49-7420-9b13-990001234567",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "2026-11-22T14:20:33.123456Z",
        "offset 1234567 of leads.events.v1",
        "300077320000",
        "1763821200",
        "1763821200123",
    ],
)
def test_ids_times_and_counts_are_left_alone(text: str) -> None:
    assert not looks_personal(text)
    assert without_personal_data(None, "info", {"event": text})["event"] == text


@pytest.mark.parametrize("text", ["a", "eyJ", "eyJa.", "9", "+1", "a@", "input_value=", "://a:", "bearer "])
def test_what_a_caller_made_long_costs_no_more_than_its_length(text: str) -> None:
    said = {"event": "failed", "exception": text * (100_000 // len(text))}
    begun = time.process_time()
    without_personal_data(None, "error", said)

    assert time.process_time() - begun < 1


def test_names_of_fields_hide_their_values_whatever_they_are() -> None:
    said = without_personal_data(
        None, "info", {"phone": "x", "to_phone": 5, "api_key": "k", "text": "سلام", "count": 3, "n": 989990001234}
    )

    assert said == {"phone": HIDDEN, "to_phone": HIDDEN, "api_key": HIDDEN, "text": HIDDEN, "count": 3, "n": HIDDEN}


def test_a_line_is_one_json_object_with_the_ids_that_are_bound(
    runtime: Runtime, restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(runtime.settings)
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("peyvand.test").info("sent", message_id=UUID(int=1), to="09990001234")
        logging.getLogger("aiokafka").warning("lost %s", "+989990001234")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())

    assert (ours["event"], ours["request_id"], ours["level"], ours["to"]) == ("sent", "r-1", "info", HIDDEN)
    assert ours["message_id"] == "00000000-0000-0000-0000-000000000001"
    assert ours["logger"] == "peyvand.test"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == (f"lost {HIDDEN}", "warning")


def test_a_traceback_is_told_without_its_values(
    runtime: Runtime, restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(runtime.settings)
    phone = "+989990001234"
    try:
        int(phone + "x")
    except ValueError:
        structlog.get_logger("peyvand.test").exception("failed")
    line = capsys.readouterr().err

    assert "ValueError" in line
    assert phone not in line


async def test_what_other_peoples_errors_quote_is_not_logged(
    runtime: Runtime, client: httpx.AsyncClient, restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(runtime.settings)
    name = "نازنین آزمایشی"
    for _ in range(2):
        await client.post("/v1/notes", json={"text": "سارا نمونه"})
    async with runtime.db.transaction() as tx:
        tx.add(Note(id=new_id(), text=name, amount=10**30))
        with pytest.raises(DBAPIError) as quoting:
            await tx.flush()
        tx.expunge_all()
    with pytest.raises(ValidationError) as validating:
        NoteCreate.model_validate({"text": "a", "rank": name})
    for raised in (quoting.value, validating.value):
        structlog.get_logger("peyvand.test").error("failed", exc_info=raised)
    logged = capsys.readouterr().err

    assert "UniqueViolationError" in logged
    assert "ValidationError" in logged
    assert "سارا" not in logged
    assert name not in logged


def test_text_is_for_people(runtime: Runtime, restored: None, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(runtime.settings.model_copy(update={"log_format": "text", "log_level": "warning"}))
    log = structlog.get_logger("peyvand.test")
    log.info("not important")
    log.warning("important", phone="09990001234")
    printed = capsys.readouterr().err

    assert "important" in printed
    assert "not important" not in printed
    assert "0999" not in printed


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_a_caller_says_begins_no_line_and_tells_a_terminal_nothing(
    runtime: Runtime, restored: None, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(runtime.settings.model_copy(update={"log_format": log_format}))
    said = "x\r\n2026-11-22 [error] forged \x1b[2J\u202eabc"
    structlog.get_logger("peyvand.test").info(said, given=said)
    logging.getLogger("some.library").warning("refused %s", said)
    logged = capsys.readouterr().err

    assert len(logged.splitlines()) == 2
    assert "forged" in logged
    assert not {"\r", "\x1b"} & {*logged}
