"""The HTTP application: routers, errors, documentation, probes and the status page in one app.

Features hand in their routers; this module knows none of them. The composition root starts and
stops what is behind `Services`; here is only the door.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from csms.web import clock, pages, probes, streams
from csms.web.metrics import CountRequests, RequestCounts
from csms.web.openapi import TITLE, describe
from csms.web.problem import (
    on_database_error,
    on_fault,
    on_fleet_error,
    on_http_error,
    on_validation_error,
)
from csms.web.route import BASE
from csms.web.services import Services
from csms.web.streams import LiveStreams
from models.errors import FleetError

VERSION = "0.1.0"


def build_api(services: Services, routers: Iterable[APIRouter]) -> FastAPI:
    """Returns the whole HTTP application.

    `app.state.streams.close()` ends the event streams, which the composition root calls when the
    house drains; otherwise the HTTP server would wait for clients that never leave.

    Args:
        services: what is behind the door.
        routers: those of the features.
    """
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    counts = RequestCounts()
    app.state.services = services
    app.state.streams = LiveStreams()
    app.state.streams.listen(services.bus)
    app.state.counts = counts
    app.add_middleware(CountRequests, counts=counts)
    app.add_exception_handler(FleetError, on_fleet_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(DBAPIError, on_database_error)
    app.add_exception_handler(Exception, on_fault)
    all_routers = (*routers, clock.router, streams.router, probes.router, pages.router)
    # As they are, not by `include_router`: that makes each anew, which takes the first request two
    # seconds, and has every request look for its route twice.
    app.state.routes = [route for router in all_routers for route in router.routes]
    app.router.routes.extend(app.state.routes)
    app.state.document = cache(lambda: msgspec.json.encode(describe(app, VERSION)))
    app.add_api_route(f"{BASE}/openapi.json", _show_document, include_in_schema=False)
    return app


async def _show_document(request: Request) -> Response:
    """Shows the OpenAPI document.

    It takes the application from the request: FastAPI keeps every endpoint for the life of the
    process, and with it whatever that was made in.
    """
    return Response(request.app.state.document(), media_type="application/json")


def api_document(routers: Iterable[APIRouter]) -> dict[str, Any]:
    """Returns the OpenAPI document of an application with these routers, without running one."""
    app = FastAPI()
    for router in (*routers, clock.router, streams.router):
        app.router.routes.extend(router.routes)
    return describe(app, VERSION)
