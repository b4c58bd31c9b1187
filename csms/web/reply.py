"""Answers: resources as JSON by msgspec, the same bytes that events carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from csms.web.etag import etag_of
from csms.web.language import spoken_headers
from scheduler.explaining.words import Language

_JSON = "application/json"


class Reply(Response):
    """A JSON answer that knows what of it may be remembered."""

    remembered: bytes
    """The body for `Idempotency-Key`: without secrets, which are shown once and never stored."""


def reply(
    resource: Any,
    *,
    status: int = 200,
    version: int | None = None,
    location: str | None = None,
    secrets: Mapping[str, str] | None = None,
    language: Language | None = None,
) -> Response:
    """Returns a resource as a response.

    Args:
        resource: what `queries.resource_of` made.
        status: HTTP status.
        version: of the row, where it has one; becomes the `ETag`.
        location: path of what was created.
        secrets: fields that only this answer shows.
        language: of its sentences, where it has some.
    """
    headers: dict[str, str] = {}
    if version is not None:
        headers["ETag"] = etag_of(version, language or "en")
    if language is not None:
        headers |= spoken_headers(language)
    if location is not None:
        headers["Location"] = location
    if secrets is None:
        data = msgspec.json.encode(resource)
        return _made(data, data, status, headers)
    headers["Cache-Control"] = "no-store"
    shown = msgspec.json.encode({**resource, **secrets})
    hidden = msgspec.json.encode({**resource, **dict.fromkeys(secrets)})
    return _made(shown, hidden, status, headers)


def _made(body: bytes, remembered: bytes, status: int, headers: dict[str, str]) -> Reply:
    answer = Reply(body, status_code=status, headers=headers, media_type=_JSON)
    answer.remembered = remembered
    return answer


def reply_page(
    items: Sequence[Mapping[str, Any]], next_cursor: str | None, *, language: Language | None = None
) -> Response:
    """Returns one page of a list; `language` is that of its sentences, where it has some."""
    return Response(
        msgspec.json.encode({"items": items, "next_cursor": next_cursor}),
        headers=None if language is None else spoken_headers(language),
        media_type=_JSON,
    )


def no_content() -> Response:
    """Returns the answer to a DELETE."""
    return Response(status_code=204)
