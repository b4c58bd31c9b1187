"""Live events over server-sent events: the outbox, read in order, woken by the bus.

A stream reads the `event` table from where the client was (`Last-Event-ID`), so nothing is lost
between two connections or two nodes; the bus only says when to look. Streams end when the house
drains. Formats: `docs/reference/events.md` and the WHATWG HTML standard, 9.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from csms.bus.base import Bus, EventNote
from csms.web.body import whole_number
from csms.web.identity import MASK, TOKEN_FIELDS, caller_of
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

_TOKENS = re.compile(rf'("(?:{"|".join(sorted(TOKEN_FIELDS))})":)"(?:[^"\\]|\\.)*"')
"""Of a resource as it was written: within text, quotation marks have a backslash before them."""

router = api_router("events")


class EventQuery(BaseModel):
    """What a stream is to carry; no filter: all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=TYPES_MAX)] = []
    site_id: Annotated[str, Field(max_length=64)] | None = None


Read = Callable[[int], Awaitable[tuple[Sequence[bytes], int, bool]]]
"""Returns frames after a number, the number to go on from, and whether there are more already."""


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

    def check_room(self) -> None:
        """Lets one more stream be opened.

        Raises:
            TooMany: if too many are.
        """
        if len(self._open) >= STREAMS_MAX:
            raise TooMany(f"{STREAMS_MAX} streams are open already", retry_after_s=30)

    async def chunks(
        self, read: Read, last: int, *, look_every_s: float = HEARTBEAT_S
    ) -> AsyncIterator[bytes]:
        """Yields what `read` finds after the thing numbered `last`, for ever.

        Args:
            read: returns the next things after a number, and the number to go on from.
            last: the last thing that the client has seen.
            look_every_s: how often to look without being woken by an event.
        """
        bell = asyncio.Event()
        self._open.add(bell)
        try:
            yield b": welcome\n\n"
            now = asyncio.get_running_loop().time
            spoke_s = now()
            while not self._closed:
                bell.clear()
                frames, last, more = await read(last)
                for each in frames:
                    yield each
                if frames:
                    spoke_s = now()
                elif now() - spoke_s >= HEARTBEAT_S:
                    # Also where others' events keep ringing: proxies see none of them.
                    spoke_s = now()
                    yield b": still here\n\n"
                if not more:
                    await _rung(bell, min(look_every_s, spoke_s + HEARTBEAT_S - now()))
        finally:
            self._open.discard(bell)


def frame(number: int, kind: str, document: Any) -> bytes:
    """Returns one server-sent event."""
    head = f"id: {number}\nevent: {kind}\ndata: ".encode()
    return head + msgspec.json.encode(document) + b"\n\n"


def envelope(event: Event, *, people: bool = True) -> dict[str, Any]:
    """Returns an event as `docs/reference/events.md` has it; `people`: with tokens."""
    resource = event.resource if people else _TOKENS.sub(rf'\1"{MASK}"', event.resource)
    return {
        "id": str(event.id),
        "time": format_rfc3339(event.time),
        "type": event.type,
        "tenant": event.tenant_id,
        "site_id": event.site_id,
        "subject": event.subject,
        "resource": msgspec.Raw(resource.encode()),
    }


async def newest_event(services: Services) -> int:
    """Returns the id of the newest event; 0 if there is none."""
    async with services.db.read() as session:
        return (await session.execute(sa.select(sa.func.max(Event.id)))).scalar() or 0


def _events_after(services: Services, statement: sa.Select[Event], *, people: bool) -> Read:
    async def read(last: int) -> tuple[Sequence[bytes], int, bool]:
        page = statement.where(Event.id > last).order_by(Event.id).limit(BATCH_MAX)
        async with services.db.read() as session:
            rows = list((await session.execute(page)).scalars())
        frames = [frame(row.id, row.type, envelope(row, people=people)) for row in rows]
        return frames, rows[-1].id if rows else last, len(rows) == BATCH_MAX

    return read


async def _rung(bell: asyncio.Event, timeout_s: float) -> None:
    """Waits for the bell until the time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await bell.wait()


def last_event_id(request: Request) -> int | None:
    """Returns the number that a client says it has seen; None: it says nothing.

    Raises:
        BadInput: if it says something else.
    """
    text = request.headers.get("last-event-id")
    if text is None or not text.strip():
        return None
    number = whole_number(text)
    if number is None:
        raise bad_field("", "Last-Event-ID is no id of an event")
    return number


@router.get(
    "/events",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def follow_events(request: Request, query: Annotated[EventQuery, Query()]) -> Response:
    """Follow what happens, as server-sent events."""
    services, caller = services_of(request), caller_of(request)
    streams = streams_of(request)
    streams.check_room()
    statement = sa.select(Event).where(Event.tenant_id == caller.tenant)
    if query.type:
        statement = statement.where(Event.type.in_(query.type))
    if query.site_id is not None:
        statement = statement.where(Event.site_id == query.site_id)
    seen = last_event_id(request)
    last = await newest_event(services) if seen is None else seen
    if not caller.sees_people:
        for kind in ("id_token/", "driver/", "settlement/"):  # who somebody is, and has paid
            statement = statement.where(~Event.subject.startswith(kind, autoescape=True))
    read = _events_after(services, statement, people=caller.sees_people)
    return stream_of(streams.chunks(read, last))


def streams_of(request: Request) -> LiveStreams:
    """Returns the streams of the application that a request came to."""
    streams = request.app.state.streams
    assert isinstance(streams, LiveStreams)
    return streams


def stream_of(chunks: AsyncIterator[bytes]) -> Response:
    """Returns server-sent events as a response that no proxy keeps back."""
    return StreamingResponse(
        chunks,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
