"""Pages served by us: the live status page and the interactive documentation.

Both are small, self-contained and under a strict content security policy: no asset comes from
anywhere else, no inline script runs. The console is not here.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from models.errors import NotFound

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_ASSETS = {
    "status.js": "text/javascript",
    "docs.js": "text/javascript",
    "page.css": "text/css",
    "sun.svg": "image/svg+xml",
}

SEEN_BY = ["GET", "HEAD"]
router = APIRouter(include_in_schema=False)


def _file(name: str, media_type: str) -> Response:
    data = (files("csms.web") / "static" / name).read_bytes()
    return Response(data, media_type=media_type, headers=_HEADERS)


@router.api_route("/", methods=SEEN_BY)
async def status_page() -> Response:
    """Show the live status page."""
    return _file("status.html", "text/html")


@router.api_route("/api/docs", methods=SEEN_BY)
async def docs_page() -> Response:
    """Show the interactive documentation."""
    return _file("docs.html", "text/html")


@router.api_route("/assets/{name}", methods=SEEN_BY)
async def asset(name: str) -> Response:
    """Send a part of the pages."""
    if name not in _ASSETS:
        raise NotFound("there is no such asset")
    return _file(name, _ASSETS[name])
