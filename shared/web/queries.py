"""Query parameters that a route knows. A mistyped filter would else be no filter at all, and show everything."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from shared.errors import FieldError, Invalid


class UnknownParameter(Invalid):
    """The query has a parameter that this path does not know."""

    code = "unknown_parameter"

    def __init__(self, names: list[str], known: frozenset[str]) -> None:
        said = ", ".join(repr(name) for name in names)
        there_are = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
        would_be_right = f"One of: {', '.join(sorted(known))}." if known else "Leave it out."
        super().__init__(
            f"The path has no query parameter {said}; {there_are}.",
            fa=f"این نشانی پارامتری به نام {said} ندارد؛ پارامترها: {'، '.join(sorted(known)) or 'هیچ'}.",
            errors=[FieldError(f"/query/{name}", self.code, would_be_right) for name in names],
        )


def parameters_of(dependant: Dependant) -> frozenset[str]:
    """Return the names of all query parameters that a route and its dependencies take."""
    return frozenset(_names(dependant))


def _names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for dependency in dependant.dependencies:
        yield from _names(dependency)


def refuse_unknown(request: Request, known: frozenset[str]) -> None:
    """Raise `UnknownParameter` where the query names what is not in `known`."""
    if request.scope["query_string"]:
        unknown = request.query_params.keys() - known
        if unknown:
            raise UnknownParameter(sorted(unknown), known)
