"""Versions of resources over HTTP: `ETag` out, `If-Match` in (RFC 9110, 8.8.3 and 13.1.1).

A strong tag stands for the same bytes: where a resource has sentences, each language has its own.
A change is let pass with the tag of any of them, for what is changed has no language.
"""

from __future__ import annotations

from starlette.requests import Request

from models.errors import StaleVersion
from scheduler.explaining.words import LANGUAGES, Language


def etag_of(version: int, language: Language = "en") -> str:
    """Returns the entity tag of a version, in a language."""
    return f'"{version}"' if language == "en" else f'"{version}-{language}"'


def check_if_match(request: Request, version: int) -> None:
    """Lets a change pass if it was made on the present version, or says nothing of versions.

    Raises:
        StaleVersion: if `If-Match` names other versions only.
    """
    named = request.headers.get("if-match")
    if named is None or named.strip() == "*":
        return
    present = {etag_of(version, language) for language in LANGUAGES}
    if present.isdisjoint(tag.strip() for tag in named.split(",")):
        raise StaleVersion(f"the resource is at version {etag_of(version)}, If-Match says {named}")
