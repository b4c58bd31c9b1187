"""REST: peaks of sites, and what is reported of their batteries and stores."""

from __future__ import annotations

from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from csms.energy.actions import load_of, store_battery_state, store_flexible_state
from csms.energy.queries import (
    BatteryStateShown,
    FlexibleStateShown,
    PeakShown,
    battery_resource,
    flexible_resource,
    peak_resource,
)
from csms.web.documents import Document, EnergyWh, Instant, PowerW, SignedPowerW
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, fetch_page
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.tables.energy import BatteryState, FlexibleState, Site, SitePeak

router = api_router("energy")

STEPS_MAX = 4 * 24 * 7


class NewBatteryState(Document):
    """What the battery of a site is like."""

    soc_wh: EnergyWh
    """What it holds."""
    power_w: SignedPowerW | None = None
    """Positive: it charges."""
    measured_at: Instant | None = None
    """Now when missing."""


class NewFlexibleState(Document):
    """What a load with a store is like; all in the electricity that it takes."""

    stored_wh: EnergyWh
    """What the store holds."""
    power_w: PowerW | None = None
    """What it draws."""
    demand_w: Annotated[list[PowerW], Field(min_length=1, max_length=STEPS_MAX)]
    """What is expected to be taken out of the store, by step; beyond the end its last day is taken
    again."""
    start: Instant | None = None
    """Of `demand_w`; the time of the measurement when missing."""
    step_minutes: Literal[15, 30, 60] = 60
    measured_at: Instant | None = None
    """Now when missing."""


@router.get("/sites/{site_id}/peaks", response_model=Page[PeakShown], dependencies=[may("read")])
async def list_peaks(
    session: Reading, caller: CallerNow, site_id: str, query: Annotated[ListQuery, Query()]
) -> Response:
    """List the largest import of each month, the present one first: what a peak tariff is on."""
    site = await find_row(session, Site, site_id, caller.tenant)
    rows, cursor = await fetch_page(
        session,
        sa.select(SitePeak).where(SitePeak.site_id == site_id),
        query,
        sorts={"month": SitePeak.month},
        key=(SitePeak.site_id,),
        updated=(SitePeak.updated_at,),
        default="-month",
    )
    return reply_page([peak_resource(row, site.timezone) for row in rows], cursor)


@router.post(
    "/sites/{site_id}/battery/state",
    response_model=BatteryStateShown,
    dependencies=[may("energy")],
)
async def post_battery_state(work: Work, site_id: str, body: NewBatteryState) -> Response:
    """Report how full the battery of a site is; plans reckon with it for 30 minutes."""
    site = await find_row(work.session, Site, site_id, work.tenant)
    values = {**body.model_dump(), "measured_at": body.measured_at or work.now}
    row = await store_battery_state(work, site, values)
    return reply(battery_resource(row, work.now))


@router.get(
    "/sites/{site_id}/battery/state",
    response_model=BatteryStateShown,
    dependencies=[may("read")],
)
async def get_battery_state(
    request: Request, session: Reading, caller: CallerNow, site_id: str
) -> Response:
    """Show what was last reported of a site's battery."""
    await find_row(session, Site, site_id, caller.tenant)
    row = await session.get(BatteryState, site_id)
    if row is None:
        raise NotFound(f"nothing was reported of a battery at {site_id}")
    return reply(battery_resource(row, services_of(request).clock.now()))


@router.post(
    "/sites/{site_id}/flexible-loads/{load_id}/state",
    response_model=FlexibleStateShown,
    dependencies=[may("energy")],
)
async def post_flexible_state(
    work: Work, site_id: str, load_id: str, body: NewFlexibleState
) -> Response:
    """Report what a store holds and what it is to give; plans reckon with it for 30 minutes."""
    site = await find_row(work.session, Site, site_id, work.tenant)
    measured_at = body.measured_at or work.now
    times = {"measured_at": measured_at, "start": body.start or measured_at}
    row = await store_flexible_state(work, site, load_id, {**body.model_dump(), **times})
    return reply(flexible_resource(row, work.now))


@router.get(
    "/sites/{site_id}/flexible-loads/{load_id}/state",
    response_model=FlexibleStateShown,
    dependencies=[may("read")],
)
async def get_flexible_state(
    request: Request, session: Reading, caller: CallerNow, site_id: str, load_id: str
) -> Response:
    """Show what was last reported of a load with a store."""
    load_of(await find_row(session, Site, site_id, caller.tenant), load_id)
    row = await session.get(FlexibleState, (site_id, load_id))
    if row is None:
        raise NotFound(f"nothing was reported of {load_id} at {site_id}")
    return reply(flexible_resource(row, services_of(request).clock.now()))
