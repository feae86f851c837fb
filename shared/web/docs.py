"""The page that shows the API and tries it out, from files that are in the environment: it needs no internet.

Its scripts and the API's description are asked for at the page's own address with `?asset=`, so that the page works
wherever it is placed.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from shared.errors import NotFound
from shared.web.auth import public
from shared.web.routing import router_for

SWAGGER = "fastapi_swagger.resources"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
KEPT_S = 86_400

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="?asset=favicon-32x32.png">
<link rel="stylesheet" href="?asset=swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="?asset=swagger-ui-bundle.js"></script>
<script src="?asset=start.js"></script>
</body>
</html>
"""

START = """\
SwaggerUIBundle({
  url: "?asset=openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  validatorUrl: null,
  layout: "BaseLayout",
});
"""


class NoSuchAsset(NotFound):
    code = "no_such_asset"


def docs_router() -> APIRouter:
    """Return the docs page."""
    router = router_for("docs")

    @router.get("/docs", dependencies=[public()], include_in_schema=False)
    async def docs(request: Request, asset: str | None = None) -> Response:
        if asset is None:
            return HTMLResponse(PAGE.format(title=request.app.title))
        if asset == "openapi.json":
            return JSONResponse(request.app.openapi())
        if asset == "start.js":
            return Response(START, media_type="text/javascript")
        if asset not in ASSETS:
            raise NoSuchAsset("The docs page has no such file.", fa="صفحهٔ مستندات چنین پرونده‌ای ندارد.")
        return Response(
            _packaged(asset), media_type=ASSETS[asset], headers={"Cache-Control": f"public, max-age={KEPT_S}"}
        )

    @router.get("/openapi.json", dependencies=[public()], include_in_schema=False)
    async def description(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

    return router


@cache
def _packaged(name: str) -> bytes:
    return files(SWAGGER).joinpath(name).read_bytes()
