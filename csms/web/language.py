"""The language in which a caller wants to be told reasons and reports."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from scheduler.explaining.words import Language, accepted_language

AnyResponse = TypeVar("AnyResponse", bound=Response)


class LanguageQuery(BaseModel):
    """In which language; null: as `Accept-Language` says, else English."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Language | None = None


def language_of(request: Request, asked: Language | None = None) -> Language:
    """Returns the language that was asked for, else what `Accept-Language` likes best of ours."""
    return asked or accepted_language(request.headers.get("accept-language"))


def spoken(answer: AnyResponse, language: Language) -> AnyResponse:
    """Returns an answer that says its language, and to caches that another caller gets another."""
    answer.headers["Content-Language"] = language
    answer.headers["Vary"] = "Accept-Language"
    return answer
