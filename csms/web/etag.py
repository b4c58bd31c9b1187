"""Versions of resources over HTTP: `ETag` out, `If-Match` in (RFC 9110, 8.8.3 and 13.1.1)."""

from __future__ import annotations

from starlette.requests import Request

from models.errors import StaleVersion


def etag_of(version: int) -> str:
    """Returns the entity tag of a version."""
    return f'"{version}"'


def check_if_match(request: Request, version: int) -> None:
    """Lets a change pass if it was made on the present version, or says nothing of versions.

    Raises:
        StaleVersion: if `If-Match` names other versions only.
    """
    named = request.headers.get("if-match")
    if named is None or named.strip() == "*":
        return
    if etag_of(version) not in [tag.strip() for tag in named.split(",")]:
        raise StaleVersion(f"the resource is at version {etag_of(version)}, If-Match says {named}")
