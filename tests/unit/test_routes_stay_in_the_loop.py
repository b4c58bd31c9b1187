"""No route leaves the event loop: FastAPI runs whatever is not `async` in a thread.

A thread costs more than what our dependencies do, and its answer comes at another virtual instant
each time, so that a replay would not repeat.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from csms.routers import ROUTERS


def called(dependant: Dependant) -> Iterator[object]:
    if dependant.call is not None:
        yield dependant.call
    for other in dependant.dependencies:
        yield from called(other)


def is_async(call: object) -> bool:
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        return True
    return inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 - its kind


def test_every_route_and_dependency_is_async() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 50
    threaded = {
        f"{route.path}: {call}"
        for route in routes
        for call in called(route.dependant)
        if not is_async(call)
    }
    assert threaded == set()
