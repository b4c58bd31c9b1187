"""The language in which a caller wants to be told reasons and reports."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict

from scheduler.explaining.words import Language, accepted_language


class LanguageQuery(BaseModel):
    """In which language; null: as `Accept-Language` says, else English."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Language | None = None


def language_of(request: Request, asked: Language | None = None) -> Language:
    """Returns the language that was asked for, else what `Accept-Language` likes best of ours."""
    return asked or accepted_language(request.headers.get("accept-language"))


class _LanguageOfChange(LanguageQuery):
    """In which language; null: as `Accept-Language` says, else English."""

    # What changes something never refused what it does not know in a query: clients rely on it.
    model_config = ConfigDict(extra="ignore", frozen=True)


async def _readers(request: Request, query: Annotated[LanguageQuery, Query()]) -> Language:
    return language_of(request, query.language)


async def _callers(request: Request, query: Annotated[_LanguageOfChange, Query()]) -> Language:
    return language_of(request, query.language)


ReadersLanguage = Annotated[Language, Depends(_readers, scope="function")]
"""The language of a GET that says nothing else in its query."""
CallersLanguage = Annotated[Language, Depends(_callers, scope="function")]
"""The language of a request that changes something or asks by a body."""


def spoken_headers(language: str) -> dict[str, str]:
    """Returns what says the language of an answer, and to caches that others get another one.

    RFC 9110, sections 8.5 and 12.5.5.
    """
    return {"Content-Language": language, "Vary": "Accept-Language"}
