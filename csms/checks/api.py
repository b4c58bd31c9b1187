"""REST: `/stations/{identity}/checks` and `/stations/{identity}/capabilities`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from csms.checks.actions import end_check, start_check
from csms.checks.queries.checks import CheckShown, check_page, check_resource
from csms.checks.queries.facts import CapabilitiesShown, show_capabilities
from csms.checks.rules.verdict import report
from csms.web.documents import Document, PowerW
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_for_change, find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import Conflict, NotFound
from models.states import StationCheckState
from models.tables.checks import StationCheck
from models.tables.stations import Station

router = api_router("checks", prefix="/stations")


class NewCheck(Document):
    """A check of a station that is connected."""

    evse_id: Annotated[int, Field(ge=1, le=100_000)] = 1
    limit_w: PowerW | None = None
    """The limit to try, never above what holds already; null: half of what flows, or a pause."""
    apply: bool = False
    """Put the quirks that are found on the station's record."""


class ChecksQuery(ListQuery):
    """Filters of the list of checks; the newest comes first unless `sort` says otherwise."""

    state: StationCheckState | None = None


@router.get(
    "/{identity}/capabilities", response_model=CapabilitiesShown, dependencies=[may("read")]
)
async def get_capabilities(
    request: Request, session: Reading, caller: CallerNow, identity: str
) -> Response:
    """Show what is known of what a station can do and does; null: not known."""
    row = await find_row(session, Station, identity, caller.tenant)
    return reply(await show_capabilities(session, row, services_of(request).clock.now()))


@router.post(
    "/{identity}/checks",
    status_code=201,
    response_model=CheckShown,
    dependencies=[may("operate")],
)
async def post_check(request: Request, work: Work, identity: str, body: NewCheck) -> Response:
    """Begin to check a station: is it fit for plans, and what is to be changed in it."""
    station = await find_row(work.session, Station, identity, work.tenant)
    if not services_of(request).gateway.online(identity):
        raise Conflict(f"the station {identity} is not connected", code="station-offline")
    row = await start_check(
        work, station, evse_id=body.evse_id, limit_w=body.limit_w, apply=body.apply
    )
    path = f"{BASE}/stations/{quote(identity, safe='')}/checks/{row.id}"
    return reply(check_resource(row), status=201, version=row.version, location=path)


@router.get("/{identity}/checks", response_model=Page[CheckShown], dependencies=[may("read")])
async def list_checks(
    session: Reading, caller: CallerNow, identity: str, query: Annotated[ChecksQuery, Query()]
) -> Response:
    """List the checks of a station."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(StationCheck).where(StationCheck.station == identity)
    statement = filtered(statement, query, StationCheck.state)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": StationCheck.created_at, "updated_at": StationCheck.updated_at},
        key=(StationCheck.id,),
        updated=(StationCheck.updated_at,),
        default="-created_at",
    )
    return reply_page([check_resource(row) for row in rows], cursor)


@router.get("/{identity}/checks/{check_id}", response_model=CheckShown, dependencies=[may("read")])
async def get_check(session: Reading, caller: CallerNow, identity: str, check_id: str) -> Response:
    """Show a check with the steps that are done."""
    row = await find_row(session, StationCheck, check_id, caller.tenant)
    _check_owner(row, identity)
    return reply(check_resource(row), version=row.version)


@router.get(
    "/{identity}/checks/{check_id}/report",
    dependencies=[may("read")],
    responses={200: {"content": {"text/markdown": {}}}},
)
async def get_check_report(
    session: Reading, caller: CallerNow, identity: str, check_id: str
) -> Response:
    """Show the verdict on one page, as Markdown for people."""
    row = await find_row(session, StationCheck, check_id, caller.tenant)
    _check_owner(row, identity)
    return Response(report(check_page(row)), media_type="text/markdown")


@router.post(
    "/{identity}/checks/{check_id}/cancel",
    response_model=CheckShown,
    dependencies=[may("operate")],
)
async def cancel_check(request: Request, work: Work, identity: str, check_id: str) -> Response:
    """Stop a check; what it has put into the station is taken back."""
    row = await find_for_change(work, StationCheck, check_id)
    _check_owner(row, identity)
    check_if_match(request, row.version)
    if row.state != "running":
        raise Conflict(f"the check is over: it is {row.state}", code="check-over")
    station = await find_row(work.session, Station, identity, work.tenant)
    end_check(work, row, "cancelled", site_id=station.site_id)
    return reply(check_resource(row), version=row.version)


def _check_owner(row: StationCheck, identity: str) -> None:
    if row.station != identity:
        raise NotFound(f"the station {identity} has no check {row.id}")
