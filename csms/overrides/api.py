"""REST: `/overrides`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query, Request
from starlette.responses import Response

from csms.overrides.actions import end, override
from csms.overrides.queries import OverrideShown, override_resource
from csms.updates.api.documents import Duration
from csms.web.documents import Id, Instant, KeptDocument, PowerW
from csms.web.etag import check_if_match
from csms.web.identity import CallerNow
from csms.web.paging import KeptQuery, filtered, kept_page
from csms.web.problem import bad_field
from csms.web.reply import no_content, reply, reply_page
from csms.web.route import BASE, api_router, may
from csms.web.rows import check_reference, find_for_change, find_row
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.tables.fleet import Vehicle
from models.tables.planning import Override
from scheduler.overrides import OverrideKind

LONGEST = timedelta(hours=24)
"""An override is for now; what is meant for longer is a matter of the car or of its station."""

router = api_router("overrides", prefix="/overrides")


class NewOverride(KeptDocument):
    """What a car is to do from now on, with an end: `until`, or after `duration`."""

    vehicle_id: Id
    kind: OverrideKind
    power_w: PowerW | None = None
    """Of `at_most`: the most power, at the grid side."""
    until: Instant | None = None
    """At most 24 hours ahead."""
    duration: Duration | None = None
    """In the place of `until`."""


class OverrideQuery(KeptQuery):
    """Filters of the list of overrides."""

    vehicle_id: str | None = None
    site_id: str | None = None
    active: bool | None = None


@router.post("", status_code=201, response_model=OverrideShown, dependencies=[may("operate")])
async def post_override(work: Work, body: NewOverride) -> Response:
    """Have a car charge now, hold, or take so much at most; in the place of its override before.

    Plans go by it from now to its end, and its site is planned anew at once.
    """
    until = _until(body, work.now)
    if body.kind == "at_most" and body.power_w is None:
        raise bad_field("/power_w", "is needed with at_most")
    if body.kind != "at_most" and body.power_w is not None:
        raise bad_field("/power_w", f"says nothing with {body.kind}")
    await check_reference(work, Vehicle, body.vehicle_id, "/vehicle_id")
    vehicle = await find_row(work.session, Vehicle, body.vehicle_id, work.tenant)
    values = body.model_dump(exclude={"id", "vehicle_id", "until", "duration"})
    row = await override(work, vehicle, override_id=body.id, until=until, values=values)
    location = f"{BASE}/overrides/{row.id}"
    return reply(override_resource(row), status=201, version=row.version, location=location)


@router.get("", response_model=Page[OverrideShown], dependencies=[may("read")])
async def list_overrides(
    session: Reading, caller: CallerNow, query: Annotated[OverrideQuery, Query()]
) -> Response:
    """List overrides, those that are over too."""
    statement = sa.select(Override).where(Override.tenant_id == caller.tenant)
    statement = filtered(statement, query, Override.vehicle_id, Override.site_id)
    if query.active is not None:
        running = Override.ended_at.is_(None)
        statement = statement.where(running if query.active else sa.not_(running))
    rows, cursor = await kept_page(session, statement, query, Override, Override.until)
    return reply_page([override_resource(row) for row in rows], cursor)


@router.get("/{override_id}", response_model=OverrideShown, dependencies=[may("read")])
async def get_override(session: Reading, caller: CallerNow, override_id: str) -> Response:
    """Show an override, and what it costs as soon as a plan goes by it."""
    row = await find_row(session, Override, override_id, caller.tenant)
    return reply(override_resource(row), version=row.version)


@router.delete("/{override_id}", status_code=204, dependencies=[may("operate")])
async def delete_override(request: Request, work: Work, override_id: str) -> Response:
    """End an override now; it stays in the list."""
    row = await find_for_change(work, Override, override_id)
    check_if_match(request, row.version)
    end(work, row, "withdrawn")
    return no_content()


def _until(body: NewOverride, now: datetime) -> datetime:
    if (body.until is None) == (body.duration is None):
        raise bad_field("/until", "either until or duration is needed, and not both")
    if body.duration is not None:
        field, until = "/duration", now + body.duration
    else:
        assert body.until is not None
        field, until = "/until", body.until
    if until <= now:
        raise bad_field(field, "ends before it begins")
    if until - now > LONGEST:
        raise bad_field(field, "an override ends within 24 hours")
    return until
