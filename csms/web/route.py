"""The kind of route that all features use: authenticated, strict about JSON, answers remembered.

`DoorRoute` runs before FastAPI's own handling: it lets nobody in without a key, swaps the lenient
JSON reader for ours, and leaves the finished answer where the unit of work finds it, so that an
idempotent answer is committed together with the change (see `csms.web.work`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from csms.web.body import StrictRequest
from csms.web.idempotency import AnsweredBefore
from csms.web.identity import Scope, authenticate, needs
from csms.web.problem import PROBLEM_TYPE, bad_field
from csms.web.shown import Problem
from models.errors import NotFound

BASE = "/api/v1"


class DoorRoute(APIRoute):
    """A route behind the door."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler with our door in front of it."""
        inner = super().get_route_handler()

        async def handle(raw: Request) -> Response:
            request = StrictRequest(raw.scope, raw.receive)
            request.state.caller = await authenticate(request)
            _check_address(request)
            await request.body()
            try:
                answer = await inner(request)
            except AnsweredBefore as before:
                return before.answer
            except RequestValidationError as broken:
                raise await _reason(request, broken) from None
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


def _check_address(request: StrictRequest) -> None:
    if "\0" in request.url.path or "%00" in request.url.path:
        raise NotFound("there is no such thing")
    for name, value in request.query_params.multi_items():
        if "\0" in name or "\0" in value:
            raise bad_field(f"/{name}".replace("\0", ""), "text with a NUL character")


async def _reason(request: StrictRequest, broken: RequestValidationError) -> Exception:
    """Returns the true cause of a refusal: an unreadable body looks like missing fields."""
    if request.unreadable is not None:
        return request.unreadable.reason
    if await request.body() and not request.headers.get("content-type", "").split(";")[
        0
    ].strip().endswith("json"):
        return bad_field("", "a body is sent as Content-Type: application/json")
    return broken
