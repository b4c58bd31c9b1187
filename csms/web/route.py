"""The kind of route that all features use: authenticated, strict about JSON, answers remembered.

`DoorRoute` runs before FastAPI's own handling: it lets nobody in without a key, swaps the lenient
JSON reader for ours, and leaves the finished answer where the unit of work finds it, so that an
idempotent answer is committed together with the change (see `csms.web.work`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, get_args, get_origin

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from csms.web.body import StrictRequest
from csms.web.idempotency import AnsweredBefore
from csms.web.identity import Scope, authenticate, needs
from csms.web.problem import PROBLEM_TYPE, bad_field, bad_input
from csms.web.shown import Problem
from models.errors import NotFound

BASE = "/api/v1"
_COLON = rb"(?::|%3[Aa])"
_BARE_PLUS = re.compile(
    rb"(\d\d" + _COLON + rb"\d\d" + _COLON + rb"\d\d(?:\.\d+)?)\+(?=\d\d" + _COLON + rb"\d\d)"
)
"""The plus of an instant's offset in an address, where by the letter it is a space."""


class DoorRoute(APIRoute):
    """A route behind the door."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler with our door in front of it."""
        inner = super().get_route_handler()
        query = _query_of(self)
        many = frozenset(name for name, kind in query.items() if _is_list(kind))

        async def handle(raw: Request) -> Response:
            raw.scope["query_string"] = _BARE_PLUS.sub(rb"\1%2B", raw.scope["query_string"])
            request = StrictRequest(raw.scope, raw.receive)
            request.state.caller = await authenticate(request)
            _check_address(request, many)
            await request.body()
            try:
                answer = await inner(request)
            except AnsweredBefore as before:
                return before.answer
            except RequestValidationError as broken:
                raise await _reason(request, broken, sorted(query)) from None
            request.state.answer = answer
            return answer

        return handle


def api_router(tag: str, *, prefix: str = "") -> APIRouter:
    """Returns an empty router of `/api/v1{prefix}` for one feature."""
    return APIRouter(
        prefix=BASE + prefix,
        tags=[tag],
        route_class=DoorRoute,
        responses={
            status: {"model": Problem, "content": {PROBLEM_TYPE: {}}}
            for status in (401, 403, 404, 409, 412, 422, 429, 503)
        },
    )


def may(scope: Scope) -> Any:
    """Returns what goes into a route's `dependencies`: the scope that callers need."""
    return Depends(needs(scope), scope="function")


def _query_of(route: APIRoute) -> dict[str, Any]:
    """Returns what the query of a route may hold: the type of each name."""
    found: dict[str, Any] = {}
    for each in route.dependant.query_params:
        kind = each.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = kind.model_fields.items()
            found |= {field.alias or name: field.annotation for name, field in fields}
        else:
            found[each.alias] = kind
    return found


def _is_list(annotation: Any) -> bool:
    kinds = (annotation, *get_args(annotation))
    return any(get_origin(each) in (list, tuple) for each in kinds)


def _check_address(request: StrictRequest, many: frozenset[str]) -> None:
    if "\0" in request.url.path or "%00" in request.url.path:
        raise NotFound("there is no such thing")
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if count > 1 and name not in many:
            raise bad_field(f"/{name}".replace("\0", ""), "is said more than once")
    for name, value in request.query_params.multi_items():
        if "\0" in name or "\0" in value:
            raise bad_field(f"/{name}".replace("\0", ""), "text with a NUL character")


async def _reason(
    request: StrictRequest, broken: RequestValidationError, names: list[str]
) -> Exception:
    """Returns the true cause of a refusal: an unreadable body looks like missing fields."""
    if request.unreadable is not None:
        return request.unreadable.reason
    if await request.body() and not request.headers.get("content-type", "").split(";")[
        0
    ].strip().endswith("json"):
        return bad_field("", "a body is sent as Content-Type: application/json")
    return bad_input(broken, names)
