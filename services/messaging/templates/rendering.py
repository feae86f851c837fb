"""Liquid, fenced in: no files, no tags or filters that multiply text, limits on loops, memory and output. Pure.

`check` is asked when a template is saved and names every variable that nobody would fill; `render` is strict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from liquid import BoundTemplate, Environment, Mode, RenderContext, StrictUndefined
from liquid.ast import Node
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError, UnknownFilterError
from liquid.expression import Expression

from shared.errors import FieldError
from shared.persian.digits import to_persian

MAX_SOURCE: Final = 20_000
LONGEST_LOOP: Final = 500
PROVIDED: Final = frozenset({
    "first_name", "last_name", "about_first_name", "about_last_name", "about_phone",
    "coupon_code", "discount_percent", "coupon_valid_until", "product", "opt_out_text", "unsubscribe_url",
})  # fmt: skip
"""What messaging fills by itself, empty where it is not known."""

_TAGS: Final = frozenset({
    "content", "output", "illegal", "if", "unless", "case", "for", "break", "continue", "assign", "comment", "#",
    "echo",
})  # fmt: skip
_FILTERS: Final = frozenset({
    "default", "upcase", "downcase", "capitalize", "strip", "lstrip", "rstrip", "truncate", "escape", "size", "first",
    "last", "plus", "minus", "times", "divided_by", "round", "abs", "floor", "ceil", "at_least", "at_most",
})  # fmt: skip
"""Filters such as `replace` and `join` are left out: a few of them in a row make gigabytes of a line."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The texts of one locale; `subject` and `html` are for email."""

    text: str
    subject: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a person gets."""

    text: str
    subject: str | None = None
    html: str | None = None


class RenderError(Exception):
    """A text cannot be rendered: `code` for machines, the message names what is wrong."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class _Fenced(Environment):
    context_depth_limit = 8
    loop_iteration_limit = LONGEST_LOOP
    local_namespace_limit = 64_000
    output_stream_limit = 64_000


def _environment(*, html: bool) -> Environment:
    environment = _Fenced(undefined=StrictUndefined, autoescape=html, tolerance=Mode.STRICT)
    environment.tags = {name: tag for name, tag in environment.tags.items() if name in _TAGS}
    environment.filters = {name: run for name, run in environment.filters.items() if name in _FILTERS}
    environment.add_filter("persian_digits", lambda value: to_persian(str(value)))
    return environment


_PLAIN: Final = _environment(html=False)
_HTML: Final = _environment(html=True)


def render(body: Body, values: Mapping[str, Any]) -> Rendered:
    """Render the texts of a locale; raises `RenderError` naming the variable that is missing or the limit reached."""
    rendered = {field: _rendered(field, source, values) for field, source in _sources(body)}
    subject = rendered.get("subject")
    return Rendered(rendered["text"], " ".join(subject.split()) if subject else None, rendered.get("html"))


def check(body: Body, *, declared: frozenset[str], pointer: str) -> list[FieldError]:
    """Return what is wrong with the texts: syntax, tags and filters that are not allowed, variables not known."""
    faults = []
    for field, source in _sources(body):
        try:
            unknown = _variables(field, source) - PROVIDED - declared
            if not unknown:
                _rendered(field, source, dict.fromkeys(PROVIDED | declared, "1"))
        except RenderError as error:
            faults.append(FieldError(f"{pointer}/{field}", error.code, str(error)))
            continue
        faults.extend(_unknown(f"{pointer}/{field}", name) for name in sorted(unknown))
    return faults


def _unknown(pointer: str, name: str) -> FieldError:
    provided = ", ".join(sorted(PROVIDED))
    return FieldError(
        pointer,
        "unknown_variable",
        f"Nobody fills {name!r}; name it in `variables`, or use one of {provided}.",
        fa=f"مقداری برای {name} نیست؛ آن را در variables بنویسید، یا یکی از این‌ها را به کار ببرید: {provided}.",
    )


def _sources(body: Body) -> Iterator[tuple[str, str]]:
    yield "text", body.text
    if body.subject is not None:
        yield "subject", body.subject
    if body.html is not None:
        yield "html", body.html


def _rendered(field: str, source: str, values: Mapping[str, Any]) -> str:
    template = _parsed(field, source)
    try:
        return template.render(**values)
    except UnknownFilterError as error:
        raise RenderError("unknown_filter", f"The {field} uses what is not allowed: {_told(error)}", field) from error
    except UndefinedError as error:
        raise RenderError("unknown_variable", f"The {field} needs a missing value: {_told(error)}", field) from error
    except ResourceLimitError as error:
        raise RenderError("template_too_heavy", f"The {field} is too much to render: {_told(error)}", field) from error
    except (LiquidError, RecursionError, ValueError, ArithmeticError) as error:  # filters reckon with any number
        raise RenderError("template_error", f"The {field} cannot be rendered: {_told(error)}", field) from error


def _variables(field: str, source: str) -> set[str]:
    return set(_parsed(field, source).global_variables())


def _parsed(field: str, source: str) -> BoundTemplate:
    if len(source) > MAX_SOURCE:
        raise RenderError("too_long", f"The {field} has {len(source)} characters; {MAX_SOURCE} are allowed.", field)
    try:
        return _compiled(source, html=field == "html")
    except ResourceLimitError as error:
        raise RenderError("template_too_heavy", f"The {field} is too much to render: {_told(error)}", field) from error
    except (LiquidError, RecursionError) as error:
        raise RenderError("template_syntax", f"The {field} is not valid Liquid: {_told(error)}", field) from error


@lru_cache(maxsize=512)
def _compiled(source: str, *, html: bool) -> BoundTemplate:
    template = (_HTML if html else _PLAIN).from_string(source)
    for expression in _expressions(template.nodes, RenderContext(template)):
        if isinstance(expression, RangeLiteral) and not _is_short(expression):
            said = f"a range goes over at most {LONGEST_LOOP} numbers, and both its ends are written out"
            raise ResourceLimitError(said, token=expression.token)
    return template


def _is_short(numbers: RangeLiteral) -> bool:
    """Tell whether a range may be gone through by whatever does: `contains` and `offset` count no steps."""
    first, last = numbers.start, numbers.stop
    if not isinstance(first, IntegerLiteral) or not isinstance(last, IntegerLiteral):
        return False
    return bool(last.value - first.value < LONGEST_LOOP)


def _expressions(nodes: Iterable[Node], context: RenderContext) -> Iterator[Expression]:
    for node in nodes:
        for expression in node.expressions():
            yield from _within(expression)
        yield from _expressions(node.children(context, include_partials=False), context)


def _within(expression: Expression) -> Iterator[Expression]:
    yield expression
    for inner in expression.children():
        yield from _within(inner)


def _told(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
