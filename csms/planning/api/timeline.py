"""REST: a plan step by step, and the problem that it answers, for programs that reckon further."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from csms.ledger.work import ReadSession
from csms.planning.queries import current_plan
from csms.planning.timeline import documents, outlook, table, timeline
from csms.web.documents import Shown
from csms.web.identity import CallerNow
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Reading
from models.errors import NotFound
from models.tables.planning import Plan

router = api_router("plans")


class StepShown(Shown):
    """A step of a plan at a site; powers are means."""

    site_id: str
    from_at: AwareDatetime
    to_at: AwareDatetime
    pv_power_w: float
    """What the sun is expected to give: as likely more as less."""
    load_power_w: float
    """What the building is expected to draw, and cars that no plan holds."""
    cars_w: float
    """Of cars that the plan charges; below 0 they give."""
    battery_w: float
    """Positive: it charges."""
    flexible_w: float
    """Of loads with a store."""
    pv_used_w: float
    """What of the sun is not curtailed."""
    grid_w: float
    """Positive: import."""
    import_price_per_kwh: float
    """That the plan goes by, pushed or assumed, in its `currency`."""
    export_price_per_kwh: float
    import_co2_g_per_kwh: float


class TimelineShown(Shown):
    """A plan, step by step."""

    plan_id: str
    currency: str
    items: list[StepShown]
    """Site by site, in the order of time."""


class SiteOutlookShown(Shown):
    """What a plan means to do at a site; one value per step, means in W."""

    site_id: str
    cars_w: list[float]
    """Into cars; what some give beside that is not taken off."""
    pv_used_w: list[float]


class OutlookShown(Shown):
    """A plan in short, from the step that runs on."""

    plan_id: str
    created_at: AwareDatetime
    status: str
    unserved: int
    """Bookings without a car."""
    start: AwareDatetime
    step_minutes: int
    sites: list[SiteOutlookShown]


class OutlookQuery(BaseModel):
    """How far to look."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: Annotated[int, Field(ge=1, le=48)] = 24


class TimelineQuery(BaseModel):
    """What to show of a plan, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site_id: Annotated[str, Field(max_length=64)] | None = None
    format: Literal["json", "csv"] = "json"


@router.get("/plans/current/outlook", response_model=OutlookShown, dependencies=[may("read")])
async def show_outlook(
    request: Request, caller: CallerNow, query: Annotated[OutlookQuery, Query()]
) -> Response:
    """Show in short what the plan in force does at each site in the next hours: sun and cars.

    A whole plan of thousands of cars has 10 MB.
    """
    services = services_of(request)
    async with services.db.read() as session:
        row = await current_plan(session, tenant=caller.tenant)
    if row is None:
        raise NotFound("there is no plan yet")
    steps = query.hours * 60 // row.step_minutes
    read = partial(outlook, row, services.clock.now(), steps)
    return reply(read() if services.db.inline else await asyncio.to_thread(read))


@router.get(
    "/plans/{plan_id}/timeline",
    response_model=TimelineShown,
    dependencies=[may("read")],
    responses={200: {"content": {"text/csv": {}}}},
)
async def show_timeline(
    request: Request, caller: CallerNow, plan_id: str, query: Annotated[TimelineQuery, Query()]
) -> Response:
    """Show sun, building, cars, battery, grid and prices of each step; `current` is in force."""
    services = services_of(request)
    async with services.db.read() as session:
        row = await _plan(session, caller.tenant, plan_id)
    if query.site_id is not None and query.site_id not in row.site_ids:
        raise NotFound(f"the plan has no site {query.site_id}")
    written = partial(_csv if query.format == "csv" else _json, row, query.site_id)
    return written() if services.db.inline else await asyncio.to_thread(written)


def _csv(plan: Plan, site_id: str | None) -> Response:
    name = f'attachment; filename="plan-{plan.id}.csv"'
    text = table(timeline(plan, site_id))
    return Response(text, media_type="text/csv", headers={"Content-Disposition": name})


def _json(plan: Plan, site_id: str | None) -> Response:
    items = documents(timeline(plan, site_id))
    return reply({"plan_id": plan.id, "currency": plan.currency, "items": items})


@router.get("/plans/{plan_id}/problem", response_model=dict[str, Any], dependencies=[may("read")])
async def show_problem(session: Reading, caller: CallerNow, plan_id: str) -> Response:
    """Show what a plan was made from, as `heliofleet plan` reads it; `current` is in force."""
    return reply(msgspec.Raw((await _plan(session, caller.tenant, plan_id)).problem.encode()))


@router.get("/plans/{plan_id}/document", response_model=dict[str, Any], dependencies=[may("read")])
async def show_document(session: Reading, caller: CallerNow, plan_id: str) -> Response:
    """Show a plan alone, as `heliofleet plan --check` reads it; `current` is in force."""
    return reply(msgspec.Raw((await _plan(session, caller.tenant, plan_id)).document.encode()))


async def _plan(session: ReadSession, tenant: str, plan_id: str) -> Plan:
    """Returns a plan with its problem.

    Raises:
        NotFound: if there is none, or it is another tenant's.
    """
    if plan_id != "current":
        return await find_row(session, Plan, plan_id, tenant)
    row = await current_plan(session, tenant=tenant, with_problem=True)
    if row is None:
        raise NotFound("there is no plan yet")
    return row
