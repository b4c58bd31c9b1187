"""REST: what a plan wants of batteries and of loads with a store, for whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Request
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from csms.energy.actions import load_of
from csms.planning.queries import current_plan
from csms.planning.schedules import (
    BATTERY,
    IN_THE_SHADOW,
    LOAD,
    flexible_name,
    periods,
    schedule,
)
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Reading
from models.errors import Conflict
from models.tables.energy import Site
from models.tables.planning import Plan

router = api_router("plans")


class BatteryPeriodShown(Shown):
    """What a battery is to do for a while."""

    from_at: AwareDatetime
    to_at: AwareDatetime
    power_w: float
    """Positive: it charges."""
    grid_w: float
    """What the plan then expects at the grid connection; positive: import."""


class BatteryScheduleShown(Shown):
    """What a battery is to do from now on, by the plan in force."""

    site_id: str
    plan_id: str | None
    planned_at: AwareDatetime | None
    periods: list[BatteryPeriodShown]
    """Step by step, without gaps; after the last one, and where there is none, the battery runs by
    itself."""
    why: str | None
    """Why there is none."""


class LoadPeriodShown(Shown):
    """What a load with a store is to draw for a while."""

    from_at: AwareDatetime
    to_at: AwareDatetime
    power_w: float


class LoadScheduleShown(Shown):
    """What a load with a store is to draw from now on, by the plan in force."""

    site_id: str
    load_id: str
    plan_id: str | None
    planned_at: AwareDatetime | None
    periods: list[LoadPeriodShown]
    """Step by step, without gaps; after the last one, and where there is none, it runs by
    itself."""
    why: str | None
    """Why there is none."""


class _SitePower(msgspec.Struct):
    id: str
    grid_w: list[float]
    battery_w: list[float]


class _SiteInProblem(msgspec.Struct):
    id: str
    battery: dict[str, float] | None = None


class _Problem(msgspec.Struct):
    sites: list[_SiteInProblem]


class _LoadPower(msgspec.Struct):
    id: str
    power_w: list[float]


class _Document(msgspec.Struct):
    sites: list[_SitePower]
    flexible: list[_LoadPower] = []


Series = Mapping[str, Sequence[float]]


@router.get(
    "/sites/{site_id}/battery/schedule",
    response_model=BatteryScheduleShown,
    dependencies=[may("read")],
)
async def get_battery_schedule(
    request: Request, session: Reading, caller: CallerNow, site_id: str
) -> Response:
    """Show what the battery of a site is to do in the next hours: to be asked for each quarter."""
    site = await find_row(session, Site, site_id, caller.tenant)
    if site.battery is None:
        raise Conflict(f"the site {site_id} has no battery", code="no-battery")

    def series_in(row: Plan) -> Series | None:
        # A plan that is older than the battery shows zeros for it, which would read as an order.
        asked = msgspec.json.decode(row.problem, type=_Problem)
        if not any(each.id == site_id and each.battery is not None for each in asked.sites):
            return None
        plan = msgspec.json.decode(row.document, type=_Document)
        power = next(each for each in plan.sites if each.id == site_id)
        return {"power_w": power.battery_w, "grid_w": power.grid_w}

    told = await _schedule(request, session, site, BATTERY, series_in)
    return reply({"site_id": site_id, **told})


@router.get(
    "/sites/{site_id}/flexible-loads/{load_id}/schedule",
    response_model=LoadScheduleShown,
    dependencies=[may("read")],
)
async def get_load_schedule(
    request: Request, session: Reading, caller: CallerNow, site_id: str, load_id: str
) -> Response:
    """Show what a load with a store is to draw in the next hours: to be asked for each quarter."""
    site = await find_row(session, Site, site_id, caller.tenant)
    load_of(site, load_id)
    name = flexible_name(site_id, load_id)

    def series_in(row: Plan) -> Series | None:
        plan = msgspec.json.decode(row.document, type=_Document)
        power = next((each for each in plan.flexible if each.id == name), None)
        return power and {"power_w": power.power_w}

    what = f"{LOAD}{load_id}"
    told = await _schedule(request, session, site, what, series_in)
    return reply({"site_id": site_id, "load_id": load_id, **told})


async def _schedule(
    request: Request,
    session: AsyncSession,
    site: Site,
    what: str,
    series_in: Callable[[Plan], Series | None],
) -> dict[str, Any]:
    """Returns what the plan in force says of a thing at a site, or why it says nothing."""
    row = await current_plan(session, tenant=site.tenant_id, with_problem=what == "battery")
    if row is None:
        return schedule(None, (), "there is no plan yet")
    if site.shadow or site.id in row.shadow_site_ids:
        return schedule(row, (), IN_THE_SHADOW)
    for out in row.left_out:
        if (out["site_id"], out["what"]) == (site.id, what):
            return schedule(row, (), out["why"])
    series = series_in(row)
    if series is None:
        return schedule(row, (), "the plan does not know it")
    found = periods(row, series, now=services_of(request).clock.now())
    return schedule(row, found, None if found else "the plan is too old")
