"""docs/settings.md, made from the settings themselves, so that no variable is undocumented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from shared.service import Service
from shared.settings import variable

HEAD = """\
# Settings

Every setting is an environment variable. A process that starts names all that are missing or wrong, a sentence each,
and ends; what is named like a setting of its own and is none, it names in its log (`settings_not_read`). `peyvand run`
(embedded mode) sets what it needs by itself. Made from the code by `make settings`.
"""


SANDBOX = """\
The sandbox by itself (`python -m services.sandbox`) starts only where `PEYVAND_SANDBOX` is `1`: it takes every
message for itself.
"""


def render(services: Iterable[Service], sandbox: type[BaseSettings]) -> str:
    """Return the page: what all services share, then each service's own, and the sandbox's."""
    services = list(services)
    sections = [HEAD, *_section("All services", services[0].settings, common=True)]
    for service in services:
        sections += _section(service.name.capitalize(), service.settings, common=False)
    sections += [*_section("Sandbox", sandbox, common=False), SANDBOX]
    return "\n".join(sections)


def _section(title: str, settings: type[BaseSettings], *, common: bool) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| variable | default | meaning |\n|---|---|---|"
    for name, field in settings.model_fields.items():
        if variable(settings, name).startswith("PEYVAND_") == common:
            yield f"| `{variable(settings, name)}` | {_default(field)} | {_meaning(field)} |"
    yield ""


def written_default(field: FieldInfo) -> str:
    """Return a field's default as the environment would say it; empty where there is none."""
    match None if field.is_required() else field.get_default(call_default_factory=True):
        case None:
            return ""
        case bool(given):
            return str(given).lower()
        case tuple(given):
            return ",".join(map(str, given))
        case dict(given):
            return ",".join(f"{name}:{value}" for name, value in given.items())
        case given:
            return str(given)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    written = written_default(field)
    return f"`{_cell(written)}`" if written else ""


def _meaning(field: FieldInfo) -> str:
    """Return a field's description, with the values that there are where it does not name them itself."""
    text = field.description or ""
    values = [f"`{value}`" for value in get_args(field.annotation) if get_origin(field.annotation) is Literal]
    named = all(value in text for value in values)
    return _cell(text if named else f"{text} One of {', '.join(values)}.")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
