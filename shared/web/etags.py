"""Versions of a resource as `ETag`, and `If-Match`, which keeps two people from overwriting each other."""

from __future__ import annotations

from fastapi import Request

from shared.errors import PreconditionFailed


def etag(version: int) -> str:
    """Return the `ETag` of a version."""
    return f'"{version}"'


def check_if_match(request: Request, version: int) -> None:
    """Refuse with 412 unless `If-Match` is absent, `*`, or names `version`.

    A proxy that compresses answers turns `"3"` into `W/"3"`; that still names the version.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return
    given = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    if etag(version) not in given:
        raise PreconditionFailed(
            f"If-Match names {header}, but the present version is {etag(version)}: read it again, then change it.",
            fa=f"نسخهٔ کنونی {etag(version)} است، نه {header}؛ نخست دوباره بخوانید و سپس تغییر دهید.",
        )
