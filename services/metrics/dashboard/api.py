"""The page at `/dashboard` and its files. They are public: figures come by API, with the token of whoever looks."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import Request, Response

from shared.errors import NotFound
from shared.web import public, router_for

STATIC = Path(__file__).parent / "static"
PLOTLY = "plotly.js"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
STYLE_OF_MAPS = "sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o="
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' '{STYLE_OF_MAPS}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

"""Strict also for plotly: the rules that it would write into a style element lie in charts.css. The one element that
it writes all the same, the rules of its maps, is let in by its hash, which changes with plotly's version."""

router = router_for("metrics", prefix="/dashboard", tags=["dashboard"])


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, as it is and compressed."""

    media_type: str
    plain: bytes
    packed: bytes
    tag: str


class UnknownAsset(NotFound):
    """The page has no such file."""

    code = "unknown_asset"


@router.get("", include_in_schema=False, dependencies=[public()])
async def show_dashboard(request: Request) -> Response:
    return await _send(request, "dashboard.html")


@router.get("/{name}", include_in_schema=False, dependencies=[public()])
async def dashboard_file(request: Request, name: str) -> Response:
    return await _send(request, name)


async def _send(request: Request, name: str) -> Response:
    asset = await asyncio.to_thread(_asset, name)
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "ETag": asset.tag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.plain, media_type=asset.media_type, headers=headers)


@lru_cache
def _asset(name: str) -> Asset:
    path = _plotly() if name == PLOTLY else _files().get(name)
    if path is None:
        raise UnknownAsset(
            f"The dashboard has no file {name[:60]!r}.", fa=f"داشبورد پرونده‌ای به نام «{name[:60]}» ندارد."
        )
    plain = path.read_bytes()
    tag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
    return Asset(TYPES[path.suffix], plain, gzip.compress(plain, mtime=0), tag)


def _files() -> dict[str, Path]:
    """Return the files that there are: nothing outside of them can be named."""
    return {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}


def _plotly() -> Path:
    """Return plotly's own bundled script, found without importing the package."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise UnknownAsset("Charts need the package plotly; install peyvand[metrics].")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
