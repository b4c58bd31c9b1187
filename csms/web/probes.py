"""Probes for machines that run us: alive, ready, and metrics; no key, no personal data."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from csms.web.metrics import CONTENT_TYPE, exposition
from csms.web.problem import problem
from csms.web.services import services_of
from models.errors import FleetError

READY_WITHIN_S = 3.0
SEEN_BY = ["GET", "HEAD"]
"""Machines that watch us often ask for the head only."""

router = APIRouter(include_in_schema=False)


@router.api_route("/livez", methods=SEEN_BY)
async def alive() -> Response:
    """Answer as long as the event loop turns."""
    return PlainTextResponse("ok\n")


@router.api_route("/readyz", methods=SEEN_BY)
async def ready(request: Request) -> Response:
    """Answer 200 while the database answers; say whether another service plans for all."""
    lead = services_of(request).lead
    try:
        async with asyncio.timeout(READY_WITHIN_S), services_of(request).db.read() as session:
            await session.execute(sa.select(1))
    except (SQLAlchemyError, FleetError, OSError, TimeoutError):
        return problem(503, "unavailable", "the database does not answer")
    if lead is not None and not lead.held:
        # Not who does: that names a machine, and is in the log for those who may know.
        return PlainTextResponse("ready, standing by\n")
    return PlainTextResponse("ready\n")


@router.api_route("/metrics", methods=SEEN_BY)
async def metrics(request: Request) -> Response:
    """Show the metrics in the Prometheus text format."""
    state = request.app.state
    text = await exposition(services_of(request), state.counts, state.streams.count)
    return Response(text, media_type=CONTENT_TYPE)
