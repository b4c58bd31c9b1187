"""REST: `/messages`, what was said over OCPP: searched, followed live, and exported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from csms.ledger.work import ReadSession
from csms.messages.queries import (
    MessageShown,
    Wanted,
    find,
    message_resource,
    newest_message,
    stations_of,
)
from csms.web.documents import Instant
from csms.web.identity import Caller, CallerNow
from csms.web.paging import (
    CURSOR_LENGTH_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    Filter,
    decode_cursor,
    encode_cursor,
)
from csms.web.problem import bad_field
from csms.web.reply import reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import Services, services_of
from csms.web.shown import Page
from csms.web.spreadsheet import csv_lines
from csms.web.streams import Read, frame, last_event_id, stream_of, streams_of
from csms.web.work import Reading
from models.errors import NotAllowed
from models.tables.energy import Site
from models.tables.ledger import Message
from models.tables.stations import Station

LOOK_EVERY_S = 1.0
"""How late a live message may be: messages ring no bell, so that nobody pays who does not look."""
STREAM_BATCH = 200
EXPORT_BATCH = 1000

router = api_router("messages")

Identity = Annotated[str, Field(min_length=1, max_length=48)]
Action = Annotated[str, Field(max_length=64)]


class MessageFilter(Filter):
    """Which messages of one station are wanted; no filter: all."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    direction: Literal["in", "out"] | None = None
    action: list[Action] = Field(default_factory=list[Action], max_length=20)
    outcome: Literal["result", "error", "malformed", "no-answer", "quarantined"] | None = None
    text: Annotated[
        str | None,
        Field(min_length=2, max_length=100, description="Stands in the payload or the answer."),
    ] = None
    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class FleetFilter(MessageFilter):
    """Which messages of all stations are wanted."""

    station: list[Identity] = Field(default_factory=list[Identity], max_length=50)
    site_id: Annotated[str, Field(max_length=64)] | None = None


class _Paged(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX)] | None = None
    sort: Literal["id", "-id"] = "-id"
    updated_since: Annotated[Instant | None, Field(description="The same as `from`.")] = None


class StationQuery(MessageFilter, _Paged):
    """One page of a station's messages; the newest come first unless `sort` says otherwise."""


class FleetQuery(FleetFilter, _Paged):
    """One page of all messages; the newest come first unless `sort` says otherwise."""


class ExportQuery(FleetFilter):
    """Messages as a file."""

    format: Literal["ndjson", "csv"] = "ndjson"


@router.get("/messages", response_model=Page[MessageShown], dependencies=[may("read")])
async def list_messages(
    session: Reading, caller: CallerNow, query: Annotated[FleetQuery, Query()]
) -> Response:
    """Search what was said over OCPP; a page may be short, and even empty, before the end."""
    return await _page(session, caller, query, await _wanted(session, caller, query))


@router.get(
    "/stations/{identity}/messages", response_model=Page[MessageShown], dependencies=[may("read")]
)
async def list_station_messages(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[StationQuery, Query()]
) -> Response:
    """Show the OCPP messages exchanged with a station, malformed frames too."""
    await find_row(session, Station, identity, caller.tenant)
    return await _page(session, caller, query, _of(caller, query, (identity,)))


@router.get(
    "/messages/stream",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def follow_messages(
    request: Request, caller: CallerNow, query: Annotated[FleetFilter, Query()]
) -> Response:
    """Follow what is said over OCPP, as server-sent events of type `message`."""
    services, streams = services_of(request), streams_of(request)
    streams.check_room()
    async with services.db.read() as session:
        wanted = await _wanted(session, caller, query)
        seen = last_event_id(request)
        last = await newest_message(session) if seen is None else seen
    read = _messages_after(services, wanted, people=caller.sees_people)
    return stream_of(streams.chunks(read, last, look_every_s=LOOK_EVERY_S))


@router.get(
    "/messages/export",
    dependencies=[may("read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}, "text/csv": {}}}},
)
async def export_messages(
    request: Request, caller: CallerNow, query: Annotated[ExportQuery, Query()]
) -> Response:
    """Download messages, oldest first: an object or a row for each."""
    services = services_of(request)
    async with services.db.read() as session:
        wanted = await _wanted(session, caller, query)
    pages = _pages(services, wanted, people=caller.sees_people)
    as_csv = query.format == "csv"
    lines = csv_lines(list(MessageShown.model_fields), pages) if as_csv else _ndjson(pages)
    kind = "text/csv" if as_csv else "application/x-ndjson"
    return StreamingResponse(
        lines,
        media_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="messages.{query.format}"',
            "Cache-Control": "no-store",
        },
    )


async def _wanted(session: ReadSession, caller: Caller, query: FleetFilter) -> Wanted:
    """Returns what a caller looks for among all stations.

    Raises:
        NotFound: if there is no such site.
    """
    stations = tuple(dict.fromkeys(query.station)) or None
    if stations is not None:
        for identity in stations:
            await find_row(session, Station, identity, caller.tenant)
    if query.site_id is not None:
        await find_row(session, Site, query.site_id, caller.tenant)
        there = await stations_of(session, query.site_id, caller.tenant)
        stations = there if stations is None else tuple(s for s in stations if s in there)
    return _of(caller, query, stations)


def _of(caller: Caller, query: MessageFilter, stations: tuple[str, ...] | None) -> Wanted:
    if query.text is not None and not caller.sees_people:
        raise NotAllowed("the role may not see tokens, which a search for text would tell")
    return Wanted(
        tenant=caller.tenant,
        stations=stations,
        direction=query.direction,
        actions=tuple(query.action),
        outcome=query.outcome,
        text=query.text,
        since=query.since,
        until=query.until,
    )


async def _page(
    session: ReadSession, caller: Caller, query: StationQuery | FleetQuery, wanted: Wanted
) -> Response:
    beyond: int | None = None
    if query.cursor is not None:
        place, again = decode_cursor(query.cursor, query.sort, (Message.id, Message.id))
        if place.value != again.value:
            raise bad_field("/cursor", "is no cursor of this list")
        beyond = place.value
    if query.updated_since is not None:
        since = max(filter(None, (wanted.since, query.updated_since)))
        wanted = replace(wanted, since=since)
    rows, place = await find(
        session,
        wanted,
        limit=query.limit,
        beyond=beyond,
        newest_first=query.sort == "-id",
    )
    people = caller.sees_people
    cursor = None if place is None else encode_cursor(query.sort, [place, place])
    return reply_page([message_resource(row, people=people) for row in rows], cursor)


def _messages_after(services: Services, wanted: Wanted, *, people: bool) -> Read:
    async def read(last: int) -> tuple[Sequence[bytes], int, bool]:
        async with services.db.read() as session:
            newest = await newest_message(session)
            if newest <= last:
                return (), last, False
            rows, place = await find(
                session, wanted, limit=STREAM_BATCH, beyond=last, newest_first=False
            )
        frames = [frame(r.id, "message", message_resource(r, people=people)) for r in rows]
        return frames, newest if place is None else place, place is not None

    return read


async def _pages(
    services: Services, wanted: Wanted, *, people: bool
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    place: int | None = -1
    while place is not None:
        async with services.db.read() as session:
            rows, place = await find(
                session, wanted, limit=EXPORT_BATCH, beyond=place, newest_first=False
            )
        yield [message_resource(row, people=people) for row in rows]


async def _ndjson(pages: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(msgspec.json.encode(each) + b"\n" for each in page)
