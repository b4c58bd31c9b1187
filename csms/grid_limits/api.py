"""REST: `/grid-limits`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from csms.energy.queries import circuits_of
from csms.grid_limits.actions import end, set_limit
from csms.ledger.work import UnitOfWork
from csms.planning.actions import GRID_LIMITS
from csms.planning.queries import grid_limit_resource
from csms.updates.api.documents import Duration
from csms.web.documents import Id, Instant, KeptDocument, KeptShown, Name, PowerW, Shown
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.paging import KeptQuery, filtered, kept_page
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import check_reference, find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.states import GridLimitEnd
from models.tables.energy import Site
from models.tables.grid_limits import GridLimit

LONGEST = timedelta(days=7)
"""What is meant for longer is the site's own limit."""
AHEAD = timedelta(days=366)

router = api_router("grid limits", prefix="/grid-limits")


class NewGridLimit(KeptDocument):
    """Less than usual may be drawn for a while; it ends at `end`, or after `duration`."""

    site_id: Id
    circuit_id: Id | None = None
    """A circuit of the site; null: its connection to the grid."""
    limit_w: PowerW
    """The most that the site may import, less what its own sun gives; or that may flow through the
    circuit."""
    start: Instant | None = None
    """Null, or past: now."""
    end: Instant | None = None
    """At most 7 days after the start."""
    duration: Duration | None = None
    """In the place of `end`."""
    reason: Name
    """Why, for people."""
    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9 ._/§-]{1,40}$")]
    """Who wants it, as `dso`, `eebus`, `openadr`."""


class UnableShown(Shown):
    """An EVSE whose power can't be lowered; others are cut the more."""

    station: str
    evse_id: int
    why: Literal["offline", "priority", "disobeyed", "unanswered", "rejected", "over its limit"]
    power_w: float
    """What is taken to flow there."""


class GridLimitShown(KeptShown):
    """A limit that the grid sets for a while."""

    site_id: str
    circuit_id: str | None
    limit_w: float
    start: AwareDatetime
    end: AwareDatetime
    reason: str
    source: str
    state: Literal["scheduled", "active", "ended"]
    begun_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    ended_why: GridLimitEnd | None
    kept: bool | None
    """Whether what was metered is within it; null: not all has been metered since it began."""
    measured_w: float | None
    """What flowed when that was noted; it is noted again when it has changed by 100 W."""
    measured_at: AwareDatetime | None
    unable: list[UnableShown]
    plan_id: str | None
    """The first plan that goes by it; null: none was published yet."""
    bookings_at_risk: list[str]
    """Bookings from this site that were promised and that this plan can't serve."""


class GridLimitQuery(KeptQuery):
    """Filters of the list of limits of the grid."""

    site_id: str | None = None
    circuit_id: str | None = None
    """Those on a circuit of this name; empty: those on whole sites."""
    state: Literal["scheduled", "active", "ended"] | None = None


@router.post("", status_code=201, response_model=GridLimitShown, dependencies=[may("operate")])
async def post_grid_limit(work: Work, body: NewGridLimit) -> Response:
    """Limit a site or a circuit for a while; what begins now cuts what cars draw at once.

    Plans go by it from now to its end. Where several hold, each is kept.
    """
    await check_reference(work, Site, body.site_id, "/site_id")
    site = await find_row(work.session, Site, body.site_id, work.tenant)
    await _check_circuit(work, body)
    start = body.start or work.now
    values = body.model_dump(exclude={"id", "site_id", "start", "end", "duration"})
    values["end"] = _end(body, max(start, work.now), work.now)
    row = await set_limit(work, site, limit_id=body.id, start=start, values=values)
    location = f"{BASE}/grid-limits/{row.id}"
    return reply(grid_limit_resource(row), status=201, version=row.version, location=location)


@router.get("", response_model=Page[GridLimitShown], dependencies=[may("read")])
async def list_grid_limits(
    session: Reading, caller: CallerNow, query: Annotated[GridLimitQuery, Query()]
) -> Response:
    """List limits of the grid, those that are over too."""
    statement = sa.select(GridLimit).where(GridLimit.tenant_id == caller.tenant)
    statement = filtered(statement, query, GridLimit.site_id)
    if query.circuit_id is not None:
        statement = statement.where(GridLimit.circuit_id == (query.circuit_id or None))
    if query.state == "ended":
        statement = statement.where(GridLimit.ended_at.is_not(None))
    elif query.state is not None:
        begun = GridLimit.begun_at.is_not(None)
        statement = statement.where(
            GridLimit.ended_at.is_(None), begun if query.state == "active" else sa.not_(begun)
        )
    rows, cursor = await kept_page(session, statement, query, GridLimit, GridLimit.end)
    return reply_page([grid_limit_resource(row) for row in rows], cursor)


@router.get("/{limit_id}", response_model=GridLimitShown, dependencies=[may("read")])
async def get_grid_limit(session: Reading, caller: CallerNow, limit_id: str) -> Response:
    """Show a limit of the grid: whether it is kept, what can't be lowered, and what it costs."""
    row = await find_row(session, GridLimit, limit_id, caller.tenant)
    return reply(grid_limit_resource(row), version=row.version)


@router.delete("/{limit_id}", status_code=204, dependencies=[may("operate")])
async def delete_grid_limit(request: Request, work: Work, limit_id: str) -> Response:
    """End a limit of the grid now, or before it has begun; it stays in the list."""
    await work.take_turn(GRID_LIMITS)
    row = await find_for_change(work, GridLimit, limit_id)
    check_if_match(request, row.version)
    await end(work, row, "withdrawn")
    return no_content()


async def _check_circuit(work: UnitOfWork, body: NewGridLimit) -> None:
    known = {each.id for each in (await circuits_of(work.session, [body.site_id]))[body.site_id]}
    if body.circuit_id is not None and body.circuit_id not in known:
        raise bad_field("/circuit_id", f"the site has no circuit {body.circuit_id}")


def _end(body: NewGridLimit, start: datetime, now: datetime) -> datetime:
    if start - now > AHEAD:
        raise bad_field("/start", f"lies more than {AHEAD.days} days ahead")
    if (body.end is None) == (body.duration is None):
        raise bad_field("/end", "either end or duration is needed, and not both")
    if body.duration is not None:
        field, until = "/duration", start + body.duration
    else:
        assert body.end is not None
        field, until = "/end", body.end
    if until <= start:
        raise bad_field(field, "ends before it begins")
    if until - start > LONGEST:
        raise bad_field(field, f"a limit of the grid ends within {LONGEST.days} days")
    return until
