"""REST: `/stations/{identity}/event-streams` and their values (OCPP 2.1)."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.event_streams.queries import stream_resource, value_resource
from csms.stations.api import StationAnswer
from csms.stations.asking import ASKED, ON_21, ask
from csms.web.documents import Document, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Once, Reading
from models.commands.event_streams import AdjustStream, ReadStreams
from models.errors import NotFound
from models.tables.event_streams import EventStream, StreamValue
from models.tables.stations import Station

router = api_router("event streams", prefix="/stations")
StreamNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]


class NewPace(Document):
    """How often values are to be sent; at least one of the two."""

    interval_s: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """At the latest after so long."""
    values_max: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """As soon as there are so many."""


class EventStreamShown(Shown):
    """Values that a station sends all the time."""

    id: int
    station: str
    monitor_id: int | None
    """Which of its monitors they are of."""
    interval_s: int | None
    values_max: int | None
    open: bool
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    told: int
    """How many values have come since it was opened."""
    rate_per_minute: float | None
    """How many a minute that is."""
    pending: int
    """How many more the station had by then."""
    last_value_at: AwareDatetime | None
    updated_at: AwareDatetime


class StreamValueShown(Shown):
    """One value."""

    id: str
    measured_at: AwareDatetime
    received_at: AwareDatetime
    value: str


class StreamQuery(ListQuery):
    """Filters of the list of streams."""

    open: bool | None = None


class ValueQuery(ListQuery):
    """Filters of the values of a stream; the newest comes first unless `sort` says otherwise."""

    since: Instant | None = None
    until: Instant | None = None


@router.get(
    "/{identity}/event-streams", response_model=Page[EventStreamShown], dependencies=[may("read")]
)
async def list_streams(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[StreamQuery, Query()]
) -> Response:
    """List the streams of a station, with how fast their values come."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(EventStream).where(EventStream.station == identity)
    if query.open is not None:
        is_open = EventStream.closed_at.is_(None)
        statement = statement.where(is_open if query.open else sa.not_(is_open))
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": EventStream.stream_id},
        key=(EventStream.stream_id,),
        updated=(EventStream.updated_at,),
    )
    return reply_page([stream_resource(row) for row in rows], cursor)


@router.get(
    "/{identity}/event-streams/{stream_id}/values",
    response_model=Page[StreamValueShown],
    dependencies=[may("read")],
)
async def list_values(
    session: Reading,
    caller: CallerNow,
    identity: str,
    stream_id: StreamNumber,
    query: Annotated[ValueQuery, Query()],
) -> Response:
    """List the values of a stream, closed ones included."""
    await find_row(session, Station, identity, caller.tenant)
    await _known(session, identity, stream_id)
    statement = sa.select(StreamValue).where(
        StreamValue.station == identity, StreamValue.stream_id == stream_id
    )
    if query.since is not None:
        statement = statement.where(StreamValue.measured_at >= query.since)
    if query.until is not None:
        statement = statement.where(StreamValue.measured_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": StreamValue.id},
        key=(StreamValue.id,),
        updated=(StreamValue.received_at,),
        default="-id",
    )
    return reply_page([value_resource(row) for row in rows], cursor)


@router.put(
    "/{identity}/event-streams/{stream_id}",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def put_pace(
    request: Request, caller: CallerNow, identity: str, stream_id: StreamNumber, body: NewPace
) -> Response:
    """Have a station send the values of a stream at another pace, and wait for its answer."""
    if body.interval_s is None and body.values_max is None:
        raise bad_field("/interval_s", "needed, or values_max, or both")
    async with services_of(request).db.read() as session:
        await find_row(session, Station, identity, caller.tenant)
        await _known(session, identity, stream_id)
    command = AdjustStream(
        stream_id=stream_id, interval_s=body.interval_s, values_max=body.values_max
    )
    return reply(await ask(request, identity, command, ON_21))


@router.post(
    "/{identity}/event-streams/report",
    response_model=StationAnswer,
    dependencies=[may("operate")],
    responses=ASKED,
)
async def report_streams(request: Request, _: Once, identity: str) -> Response:
    """Have a station tell which streams are open; the list is that from then on."""
    return reply(await ask(request, identity, ReadStreams(), ON_21))


async def _known(session: Reading, identity: str, stream_id: int) -> None:
    if await session.get(EventStream, (identity, stream_id)) is None:
        raise NotFound(f"the station {identity} has told of no stream {stream_id}")
