"""Logs: one JSON object a line or text for people, with ids and without personal data."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
import structlog

from shared.settings import ServiceSettings

HIDDEN = "[hidden]"

SECRET_NAMES = re.compile(
    r"(^|_)(phone|mobile|msisdn|email|token|authorization|password|secret|api_key|cookie|body|text|message_text"
    r"|first_name|last_name|full_name|address)s?$",
    re.IGNORECASE,
)
MOBILE = r"(?:[0۰٠]{2}[9۹٩][8۸٨]|[9۹٩][8۸٨]|[0۰٠])?[9۹٩]\d{9}"
PERSONAL = re.compile(  # each begins where a word does: what a caller made long would else be read over and over
    rf"\+\d{{8,15}}|(?<![\w+\-]){MOBILE}(?![\w\-])"  # a number to call, in any digits; not a part of an id
    r"|(?<![\w.+\-])[\w.+\-]++@[\w\-]+\.[\w.\-]+"  # an email address
    r"|(?<![\w\-])eyJ[\w\-]++\.[\w\-]++\.[\w\-]*"  # a JWT
    r"|(?i:bearer)\s+\S+"
    r"|://[^/\s:@]+:[^/\s@]+@"  # a password in an address
)

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A UUID, which every line names one of, holds nothing of the above."""

UNPRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that end a line, turn it around, or are a terminal's."""

ADDRESSES_LOGGED_BY = ("httpx", "httpcore")
"""Libraries that log each address they ask, in which there are secrets of webhooks and numbers to call."""

LEAKS = re.compile(
    r"^(DETAIL|CONTEXT):.*"  # PostgreSQL quotes the row
    r"|^\[parameters: .*"  # SQLAlchemy the parameters
    r"|(?<=input_value=).*?(?=, input_type=|$)|(?<='input': ).*",  # pydantic the value
    re.MULTILINE,
)
"""Where other people's errors quote values, which may be names or free text."""


def looks_personal(text: str) -> bool:
    """Tell whether `text` holds what looks like a number to call, an email address or a token."""
    return PERSONAL.search(text) is not None


def configure_logging(settings: ServiceSettings) -> None:
    """Set the process's logging up, the standard library's included."""
    structure_logs(settings.log_format, settings.log_level)
    logging.basicConfig(handlers=[foreign_handler(settings.log_format)], level=settings.log_level.upper(), force=True)
    logging.getLogger("uvicorn.access").disabled = True


def structure_logs(log_format: str, level: str) -> None:
    """Have our own loggers write lines of a format, from a level up."""
    structlog.configure(
        processors=[*_processors(), *_rendering(log_format)],
        logger_factory=_NamedWriter,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,  # a logger that is cached cannot be configured anew
    )


def foreign_handler(log_format: str) -> logging.Handler:
    """Return what writes the standard library's logs as ours are written."""
    for name in ADDRESSES_LOGGED_BY:
        logging.getLogger(name).setLevel(logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_processors(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log_format)],
        )
    )
    return handler


def _processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        without_personal_data,
        structlog.stdlib.add_log_level,
        _add_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _rendering(log_format: str) -> list[Any]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer(serializer=_dumps)]
    return [_on_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _on_one_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write out what would begin a line or tell a terminal something: a library's message may quote a caller.

    Values need it not, as text that is not plain is quoted there; JSON has no need of it at all.
    """
    said = str(event["event"])
    event["event"] = said if said.isprintable() else UNPRINTED.sub(lambda odd: ascii(odd[0])[1:-1], said)
    return event


class _NamedWriter(structlog.WriteLogger):
    """Writes lines straight to stderr: the standard library's way costs a request a tenth of its time."""

    def __init__(self, name: str = "peyvand") -> None:
        super().__init__(sys.stderr)
        self.name = name


def _add_name(logger: Any, _: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = event.get("_record")
    event["logger"] = record.name if record is not None else logger.name
    return event


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what is named like personal data, or looks like it, before a line is written."""
    for name, value in event.items():
        event[name] = HIDDEN if _is_secret(name) else _hidden(value)
    if "exception" in event:
        event["exception"] = LEAKS.sub(HIDDEN, event["exception"])
    return event


@lru_cache(maxsize=4_096)
def _is_secret(name: str) -> bool:
    return SECRET_NAMES.search(name) is not None


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return value if ID.fullmatch(value) else PERSONAL.sub(HIDDEN, value)
    if isinstance(value, bool | float | UUID) or value is None:
        return value
    if isinstance(value, int):
        return HIDDEN if PERSONAL.fullmatch(str(value)) else value
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(str(name)) else _hidden(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(inner) for inner in value]
    return value


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
