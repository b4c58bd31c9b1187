"""The language in which a caller wants to be told reasons."""

from __future__ import annotations

from fastapi import Request

from scheduler.explaining.words import Language, accepted_language


def language_of(request: Request, asked: Language | None = None) -> Language:
    """Returns the language that was asked for, else what `Accept-Language` likes best of ours."""
    return asked or accepted_language(request.headers.get("accept-language"))
