"""REST: `/reconciliation`, what did not add up and what a person has made of it."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from csms.ledger.work import ReadSession
from csms.reconciliation.actions import resolve
from csms.reconciliation.queries import ReconciliationShown, reconciliation_resource
from csms.web.body import whole_number
from csms.web.documents import Document, Id, Instant, Text
from csms.web.identity import Caller, CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.tables.charging import Reconciliation
from models.tables.energy import Site
from models.tables.stations import Station

router = api_router("reconciliation")


class StationQuery(ListQuery):
    """Filters of one station's list; the newest comes first unless `sort` says otherwise."""

    model_config = ConfigDict(populate_by_name=True)

    kind: Annotated[str, Field(max_length=40)] | None = None
    open: bool | None = Field(default=None, description="True: what nobody has resolved yet.")
    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")


class FleetQuery(StationQuery):
    """Filters of the list of all stations."""

    station: Annotated[str, Field(max_length=48)] | None = None
    site_id: Annotated[str, Field(max_length=64)] | None = None
    transaction_id: Annotated[str, Field(max_length=64)] | None = None


class Resolution(Document):
    """What a person chooses."""

    choice: Literal["keep", "correct", "assign", "vehicle"]
    """One of those that are offered."""
    note: Text | None = None
    energy_wh: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """correct: what was really charged."""
    stopped_at: Instant | None = None
    """correct: when it really ended."""
    transaction_id: Id | None = None
    """assign: of which transaction of the station this was the end."""
    vehicle_id: Id | None = None
    """vehicle: which car was charged."""


@router.get("/reconciliation", response_model=Page[ReconciliationShown], dependencies=[may("read")])
async def list_all(
    session: Reading, caller: CallerNow, query: Annotated[FleetQuery, Query()]
) -> Response:
    """List what did not add up, of all stations."""
    mine = sa.select(Station.identity).where(Station.tenant_id == caller.tenant)
    if query.site_id is not None:
        await find_row(session, Site, query.site_id, caller.tenant)
        mine = mine.where(Station.site_id == query.site_id)
    statement = sa.select(Reconciliation).where(Reconciliation.station.in_(mine))
    if query.station is not None:
        await find_row(session, Station, query.station, caller.tenant)
        statement = statement.where(Reconciliation.station == query.station)
    statement = filtered(statement, query, Reconciliation.transaction_id)
    return await _page(session, caller, statement, query)


@router.get(
    "/stations/{identity}/reconciliation",
    response_model=Page[ReconciliationShown],
    dependencies=[may("read")],
)
async def list_of_station(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[StationQuery, Query()]
) -> Response:
    """List what did not add up about a station's transactions."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(Reconciliation).where(Reconciliation.station == identity)
    return await _page(session, caller, statement, query)


@router.get(
    "/reconciliation/{number}", response_model=ReconciliationShown, dependencies=[may("read")]
)
async def get_one(session: Reading, caller: CallerNow, number: str) -> Response:
    """Show what happened, what was done about it, and what may be chosen."""
    row = await _find(session, number, caller.tenant)
    return reply(reconciliation_resource(row, people=caller.sees_people))


@router.post(
    "/reconciliation/{number}/resolve",
    response_model=ReconciliationShown,
    dependencies=[may("operate")],
)
async def post_resolution(work: Work, number: str, body: Resolution) -> Response:
    """Say that it is right as it is, or put it right."""
    row = await _find(work.session, number, work.tenant, for_update=True)
    values = body.model_dump(exclude={"choice", "note"})
    await resolve(work, row, body.choice, body.note, values)
    return reply(reconciliation_resource(row))


async def _find(
    session: ReadSession, number: str, tenant: str, *, for_update: bool = False
) -> Reconciliation:
    key = whole_number(number)
    found = (
        None if key is None else await session.get(Reconciliation, key, with_for_update=for_update)
    )
    station = found and await session.get(Station, found.station)
    if found is None or station is None or station.tenant_id != tenant:
        raise NotFound(f"there is no reconciliation {number}")
    return found


async def _page(
    session: ReadSession,
    caller: Caller,
    statement: sa.Select[Reconciliation],
    query: StationQuery,
) -> Response:
    statement = filtered(statement, query, Reconciliation.kind)
    if query.open is not None:
        waits = Reconciliation.resolved_at.is_(None)
        statement = statement.where(waits if query.open else ~waits)
    if query.since is not None:
        statement = statement.where(Reconciliation.created_at >= query.since)
    if query.until is not None:
        statement = statement.where(Reconciliation.created_at < query.until)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"id": Reconciliation.id},
        key=(Reconciliation.id,),
        updated=(Reconciliation.created_at, Reconciliation.resolved_at),
        default="-id",
    )
    people = caller.sees_people
    return reply_page([reconciliation_resource(row, people=people) for row in rows], cursor)
