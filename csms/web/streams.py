"""Live events over server-sent events: the outbox, read in order, woken by the bus.

A stream reads the `event` table from where the client was (`Last-Event-ID`), so nothing is lost
between two connections or two nodes; the bus only says when to look. Streams end when the house
drains. Formats: DESIGN 4.5 and the WHATWG HTML standard, 9.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from csms.bus.base import Bus, EventNote
from csms.web.body import INT64_MAX
from csms.web.identity import caller_of
from csms.web.problem import TooMany, bad_field
from csms.web.route import api_router, may
from csms.web.services import Services, services_of
from models.tables.ledger import Event
from models.timeline import format_rfc3339

HEARTBEAT_S = 15.0
"""A comment at least this often keeps proxies from closing an idle stream."""
BATCH_MAX = 500
STREAMS_MAX = 1000
TYPES_MAX = 20

router = api_router("events")


class EventQuery(BaseModel):
    """What a stream is to carry; no filter: all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=TYPES_MAX)] = []
    site_id: Annotated[str, Field(max_length=64)] | None = None


class LiveStreams:
    """Wakes every open stream when something has happened, and ends them all on `close`."""

    def __init__(self) -> None:
        self._open: set[asyncio.Event] = set()
        self._closed = False

    def listen(self, bus: Bus) -> None:
        """Subscribes to all events."""
        bus.subscribe("web.streams", None, self._wake)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._open)

    def close(self) -> None:
        """Ends all streams; new ones end at once."""
        self._closed = True
        for bell in self._open:
            bell.set()

    async def _wake(self, _: EventNote) -> None:
        for bell in self._open:
            bell.set()

    async def chunks(
        self, services: Services, statement: sa.Select[Event], after: int | None
    ) -> AsyncIterator[bytes]:
        """Yields events after the one with id `after` (None: from now on), for ever.

        Args:
            services: of the application.
            statement: selects events, with the stream's filters.
            after: the last event the client has seen.
        """
        bell = asyncio.Event()
        self._open.add(bell)
        try:
            last = await newest_event(services) if after is None else after
            yield b": welcome\n\n"
            while not self._closed:
                bell.clear()
                rows = await _events_after(services, statement, last)
                for row in rows:
                    last = row.id
                    yield frame(row)
                if len(rows) < BATCH_MAX and not await _rings(bell):
                    yield b": still here\n\n"
        finally:
            self._open.discard(bell)


def frame(event: Event) -> bytes:
    """Returns an event as one server-sent event."""
    head = f"id: {event.id}\nevent: {event.type}\ndata: ".encode()
    return head + msgspec.json.encode(envelope(event)) + b"\n\n"


def envelope(event: Event) -> dict[str, Any]:
    """Returns an event as DESIGN 4.5 shows it."""
    return {
        "id": str(event.id),
        "time": format_rfc3339(event.time),
        "type": event.type,
        "tenant": event.tenant_id,
        "site_id": event.site_id,
        "subject": event.subject,
        "resource": msgspec.Raw(event.resource.encode()),
    }


async def newest_event(services: Services) -> int:
    """Returns the id of the newest event; 0 if there is none."""
    async with services.db.read() as session:
        return (await session.execute(sa.select(sa.func.max(Event.id)))).scalar() or 0


async def _events_after(services: Services, statement: sa.Select[Event], last: int) -> list[Event]:
    page = statement.where(Event.id > last).order_by(Event.id).limit(BATCH_MAX)
    async with services.db.read() as session:
        return list((await session.execute(page)).scalars())


async def _rings(bell: asyncio.Event) -> bool:
    """Returns whether the bell rang before a heartbeat was due."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await bell.wait()
    except TimeoutError:
        return False
    return True


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("last-event-id")
    if text is None or not text.strip():
        return None
    if not (text.isascii() and text.isdigit()) or int(text) > INT64_MAX:
        raise bad_field("", "Last-Event-ID is no id of an event")
    return int(text)


@router.get(
    "/events",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def follow_events(request: Request, query: Annotated[EventQuery, Query()]) -> Response:
    """Follow what happens, as server-sent events."""
    services, caller = services_of(request), caller_of(request)
    streams = request.app.state.streams
    assert isinstance(streams, LiveStreams)
    if streams.count >= STREAMS_MAX:
        raise TooMany(f"{STREAMS_MAX} streams are open already", retry_after_s=30)
    statement = sa.select(Event).where(Event.tenant_id == caller.tenant)
    if query.type:
        statement = statement.where(Event.type.in_(query.type))
    if query.site_id is not None:
        statement = statement.where(Event.site_id == query.site_id)
    return StreamingResponse(
        streams.chunks(services, statement, _last_event_id(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
