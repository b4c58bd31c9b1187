"""The clock over HTTP: read by all, moved only where it is a simulated one."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from pydantic import AwareDatetime
from starlette.responses import Response

from csms.web.documents import Document, Instant, Shown
from csms.web.problem import bad_field
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.services import Services, services_of
from csms.web.work import Once
from models.errors import Conflict
from models.timeline import format_rfc3339

router = api_router("clock")


class ClockShown(Shown):
    """What time it is here."""

    mode: Literal["real", "simulated"]
    now: AwareDatetime


class ClockMove(Document):
    """Where the clock is to go."""

    advance_to: Instant


def _clock(services: Services) -> dict[str, str]:
    mode = "real" if services.stepped is None else "simulated"
    return {"mode": mode, "now": format_rfc3339(services.clock.now())}


@router.get("/clock", response_model=ClockShown, dependencies=[may("read")])
async def show_clock(request: Request) -> Response:
    """Say what time it is."""
    return reply(_clock(services_of(request)))


@router.post("/clock", response_model=ClockShown, dependencies=[may("admin")])
async def move_clock(request: Request, _: Once, body: ClockMove) -> Response:
    """Advance a simulated clock; answers when all that was due has happened."""
    services = services_of(request)
    if services.stepped is None:
        raise Conflict("this service runs on the real clock", code="real-clock")
    if body.advance_to < services.stepped.now():
        raise bad_field("/advance_to", "lies before the present; the clock never goes back")
    await services.stepped.advance_to(body.advance_to)
    return reply(_clock(services))
