"""REST: `/stations/{identity}/inquiries`, the reports that a station was asked for (OCPP 2.x).

Which reports there are is the business of those who ask for them: each calls `inquire`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from csms.inquiries.actions import open_inquiry
from csms.inquiries.queries import inquiry_resource
from csms.stations.actions import COMMAND_TIMEOUT_S, outcome_of
from csms.stations.asking import ON_2X, find_asked
from csms.web.documents import Shown
from csms.web.identity import CallerNow, caller_of
from csms.web.paging import ListQuery, fetch_page, filtered
from csms.web.reply import reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, begin_work
from models.commands import AnyCommand
from models.errors import FleetError, NotFound
from models.facts.inquiries import InquirySubject
from models.tables.inquiries import Inquiry
from models.tables.stations import Station

router = api_router("inquiries", prefix="/stations")


class InquiryShown(Shown):
    """A report that a station was asked for."""

    id: str
    station: str
    subject: Literal["variables", "displays", "limits", "customer"]
    request_id: int
    """What each part of the report repeats."""
    asked: dict[str, Any] | None
    """Null where the caller may not see people and it is about one."""
    state: Literal[
        "asked", "coming", "complete", "empty", "refused", "unsupported", "failed", "broken-off"
    ]
    """`empty`: there is nothing to report; `refused`: the station says no; `failed`: it gave no
    answer of use; `broken-off`: no part has come for ten minutes."""
    why: str | None
    parts: int
    """How many have come."""
    asked_at: AwareDatetime
    heard_at: AwareDatetime
    ended_at: AwareDatetime | None


class InquiryQuery(ListQuery):
    """Filters of the list of questions; the newest comes first unless `sort` says otherwise."""

    subject: InquirySubject | None = None


@router.get("/{identity}/inquiries", response_model=Page[InquiryShown], dependencies=[may("read")])
async def list_inquiries(
    request: Request,
    session: Reading,
    caller: CallerNow,
    identity: str,
    query: Annotated[InquiryQuery, Query()],
) -> Response:
    """List the reports that a station was asked for."""
    await find_row(session, Station, identity, caller.tenant)
    statement = sa.select(Inquiry).where(Inquiry.station == identity)
    statement = filtered(statement, query, Inquiry.subject)
    rows, cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"asked_at": Inquiry.asked_at},
        key=(Inquiry.id,),
        updated=(Inquiry.heard_at,),
        default="-asked_at",
    )
    now, people = services_of(request).clock.now(), caller.sees_people
    return reply_page([inquiry_resource(row, now, people=people) for row in rows], cursor)


@router.get(
    "/{identity}/inquiries/{inquiry_id}", response_model=InquiryShown, dependencies=[may("read")]
)
async def get_inquiry(
    request: Request, session: Reading, caller: CallerNow, identity: str, inquiry_id: str
) -> Response:
    """Show how far a report is that a station was asked for."""
    row = await find_row(session, Inquiry, inquiry_id, caller.tenant)
    if row.station != identity:
        raise NotFound(f"the station {identity} was never asked {inquiry_id}")
    now = services_of(request).clock.now()
    return reply(inquiry_resource(row, now, people=caller.sees_people))


async def inquire(
    request: Request,
    identity: str,
    subject: InquirySubject,
    command_of: Callable[[int], AnyCommand],
    *,
    asked: dict[str, Any],
    whole: bool,
) -> Response:
    """Asks a station for a report and waits for its answer; the parts follow by themselves.

    Args:
        request: of the caller.
        identity: of the station, which must be connected and speak 2.x.
        subject: what the report is about.
        command_of: makes the command from the number that the parts will repeat.
        asked: what to show of it.
        whole: whether all is asked for, so that what is missing is gone.
    """
    services = services_of(request)
    station = await find_asked(request, identity, ON_2X)
    async with begin_work(request) as work:
        row = await open_inquiry(work, station, subject, command_of, asked=asked, whole=whole)
        inquiry_id, command_id = row.id, row.command_id
    try:
        outcome_of(await services.courier.settled(command_id, COMMAND_TIMEOUT_S))
    except FleetError as error:
        async with begin_work(request) as work:
            failed = await work.session.get_one(Inquiry, inquiry_id)
            if failed.state == "asked":
                failed.state, failed.why = "failed", error.detail
                failed.heard_at = failed.ended_at = work.now
        raise
    async with services.db.read() as session:
        row = await session.get_one(Inquiry, inquiry_id)
        shown = inquiry_resource(row, services.clock.now(), people=caller_of(request).sees_people)
    path = f"{BASE}/stations/{quote(identity, safe='')}/inquiries/{inquiry_id}"
    return reply(shown, status=201, location=path)
