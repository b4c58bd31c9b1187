"""Errors as RFC 9457 problem documents: the one place where our errors become HTTP statuses.

Routes raise the errors of `models.errors`; what they mean to a client is decided here, so that
the same mistake reads the same everywhere. Internal errors show nothing of the inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from csms.web.language import spoken_headers
from models.errors import (
    BadInput,
    Conflict,
    FieldError,
    FleetError,
    NoAnswer,
    NotAllowed,
    NotFound,
    Refused,
    StaleVersion,
    StationFault,
    StillReferenced,
    Unavailable,
)

PROBLEM_TYPE = "application/problem+json"
VARIANT = "variant: "
"""How the tags of a body with several forms begin; they are no part of the place of an error."""


_AGAIN_AFTER_S = "5"
"""When to ask again what we could not do for reasons of our own."""


class NoKey(FleetError):
    """The request has no API key, or not one of ours (401)."""

    code = "no-key"


class TooMany(FleetError):
    """The caller asks too often (429)."""

    code = "too-many-requests"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooLarge(FleetError):
    """The body is larger than any that makes sense (413)."""

    code = "too-large"


class CallError(StationFault):
    """A station answered a command with a CALLERROR of its own (502)."""

    def __init__(self, station_code: str, station_detail: str) -> None:
        super().__init__(f"the station answered {station_code}: {station_detail}".rstrip(": "))
        self.station_code = station_code


_STATUS: Mapping[type[FleetError], int] = {
    BadInput: 422,
    NotFound: 404,
    Conflict: 409,
    StaleVersion: 412,
    NotAllowed: 403,
    Unavailable: 503,
    TooLarge: 413,
    NoAnswer: 504,
    StationFault: 502,
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Returns a problem document as a response."""
    document: dict[str, Any] = {
        "type": f"urn:heliofleet:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": error.field, "detail": error.detail} for error in errors],
        **(extra or {}),
    }
    return Response(
        msgspec.json.encode(document),
        status_code=status,
        headers=dict(headers or {}),
        media_type=PROBLEM_TYPE,
    )


def problem_of(error: FleetError) -> Response:
    """Returns the problem document for one of our errors."""
    if isinstance(error, NoKey):
        return problem(401, error.code, error.detail, headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, TooMany):
        wait = {"Retry-After": str(error.retry_after_s)}
        return problem(429, error.code, error.detail, headers=wait)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = _AGAIN_AFTER_S
    extra: dict[str, Any] = {}
    if isinstance(error, Refused):
        extra = {
            "reasons": list(error.reasons),
            "explanation": list(error.explanation),
            "alternatives": list(error.alternatives),
        }
        if error.language is not None:
            headers |= spoken_headers(error.language)
    if isinstance(error, StillReferenced):
        extra = {
            "references": [
                {"kind": each.kind, "count": each.count, "ids": list(each.ids)}
                for each in error.references
            ]
        }
    if isinstance(error, CallError):
        extra = {"station_code": error.station_code}
    errors = error.errors if isinstance(error, BadInput | Conflict) else ()
    return problem(status, error.code, error.detail, errors=errors, extra=extra, headers=headers)


def json_pointer(*parts: str | int) -> str:
    """Returns the JSON pointer (RFC 6901) to a place in a document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def bad_field(field: str, detail: str) -> BadInput:
    """Returns the error for one wrong field, `field` being its JSON pointer."""
    return BadInput(f"{field or 'the document'}: {detail}", [FieldError(field, detail)])


def bad_input(
    broken: ValidationError | RequestValidationError, query: Sequence[str] = ()
) -> BadInput:
    """Returns our error for what pydantic found; fields as pointers into body or query.

    Args:
        broken: what it found.
        query: the names that the query of the request may have.
    """
    errors: list[FieldError] = []
    for found in broken.errors():
        place: tuple[str | int, ...] = tuple(found["loc"])
        if isinstance(broken, RequestValidationError):
            place = place[1:]  # drop "body", "query", "path" or "header"
        place = tuple(part for part in place if not str(part).startswith(VARIANT))
        detail = str(found["msg"]).removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            in_query = found["loc"][:1] == ("query",)
            detail = "is not known here" + (f"; allowed: {', '.join(query)}" if in_query else "")
        errors.append(FieldError(json_pointer(*place), detail))
    shown = "; ".join(f"{error.field or 'body'}: {error.detail}" for error in errors[:3])
    return BadInput(shown or "the request can't be right", errors)


async def on_fleet_error(_: Request, error: Exception) -> Response:
    """Answers one of our own errors."""
    assert isinstance(error, FleetError)
    return problem_of(error)


async def on_validation_error(_: Request, error: Exception) -> Response:
    """Answers what pydantic refused."""
    assert isinstance(error, RequestValidationError)
    return problem_of(bad_input(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answers what the framework refused: unknown path, method or size."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    headers, detail = error.headers, str(error.detail)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = ", ".join(_methods_at(request))
        headers, detail = {"Allow": methods}, f"{request.method} is not one of {methods}"
    return problem(error.status_code, code, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """What the path of a request can be asked with, by all routes: each knows only its own."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return sorted(methods)


async def on_database_error(_: Request, error: Exception) -> Response:
    """Answers a broken promise of the database.

    A constraint that only another request at the same moment could break is a conflict; all else
    means that nothing was stored, and that trying again later is right.
    """
    assert isinstance(error, DBAPIError)
    if isinstance(error, IntegrityError):
        return problem(409, "conflict", "another request changed the same thing; look and repeat")
    detail = "the database could not do it; nothing was stored"
    return problem(503, "unavailable", detail, headers={"Retry-After": "5"})


async def on_fault(_: Request, __: Exception) -> Response:
    """Answers a fault of our own without showing it."""
    return problem(500, "internal-error", "the server failed; nothing was stored")
