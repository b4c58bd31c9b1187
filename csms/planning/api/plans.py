"""REST of plans: the one in force, any former one, the limits they became, and asking for one."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import orm
from starlette.responses import Response

from csms.config import LONGEST_PLAN_S
from csms.planning.improving import LEAST_S
from csms.planning.queries import (
    current_plan,
    limit_resource,
    limits_of_plan,
    pickup_sites,
    plan_outline,
    plan_resource,
    whole_plans,
)
from csms.updates.api.documents import Duration
from csms.web.documents import Document, Id, Instant, Shown
from csms.web.identity import CallerNow
from csms.web.paging import ListQuery, encode_cursor, fetch_page, filtered
from csms.web.problem import bad_field
from csms.web.reply import reply, reply_page
from csms.web.route import api_router, may
from csms.web.services import services_of
from csms.web.shown import Page
from csms.web.work import Reading, Work
from models.errors import NotFound
from models.states import LimitState
from models.tables.charging import ChargingLimit
from models.tables.energy import Site
from models.tables.planning import Plan
from scheduler.rolling import Level

PAGE_BYTES_MAX = 8 * 1024 * 1024
"""Of the documents of a page of plans."""
_HEADING = orm.defer(Plan.problem, raiseload=True), orm.defer(Plan.document, raiseload=True)

router = api_router("plans")


class LimitShown(Shown):
    """A limit that was put on an EVSE, and what became of it."""

    id: str
    plan_id: str | None
    site_id: str
    station: str
    evse_id: int
    ocpp_transaction_id: str | None
    purpose: str
    created_at: AwareDatetime
    valid_to: AwareDatetime | None
    periods: list[dict[str, Any]]
    state: LimitState
    sent_at: AwareDatetime | None
    settled_at: AwareDatetime | None
    detail: str | None


class LeftOutShown(Shown):
    """Something of a site that a plan does not reckon with."""

    site_id: str
    what: str
    """`battery`, or `flexible_load` with its id."""
    why: str


class PlanShown(BaseModel):
    """A plan: the document of the planning reference, with stored times and limits."""

    model_config = ConfigDict(extra="allow")

    id: str
    created_at: AwareDatetime
    start: AwareDatetime
    step_minutes: int
    steps: int
    made_by: Level
    """The level of fallback: `solver`; without one `sun` (surplus first), `former` (what the plan
    before says), `laxity` (who has least time first) or `held` (what cars draw now)."""
    kept_cars: int
    """How many cars charge as the plan before says, since nothing has happened where they are."""
    solvers: list[str]
    """Who has answered the programs of its charging: `glop`, or `highs` after it; `cp-sat` where it
    has found other trips. Empty for a plan without a solver, and for one of an older version."""
    time_limit_s: float | None
    """For how long the plan before was bettered into this one, at most; null: it was made at
    once."""
    currency: str
    """Of its costs; `XXX`: sites pay in different ones, which are added up as they are."""
    gap: float | None
    """What it costs beyond `lower_bound`: no plan that serves as much can save more than that."""
    trigger: str
    forecast_source: str
    left_out: list[LeftOutShown]
    """What of the sites it does not reckon with."""
    site_ids: list[str]
    shadow_site_ids: list[str]
    """Those of them where it commands nothing."""
    status: str
    cost: float
    """Of all sites together, like `lower_bound` and `kpis`, also where one site is asked for."""
    limits: list[LimitShown]


class PlanQuery(BaseModel):
    """What to show of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site_id: Annotated[str, Field(max_length=64)] | None = None


class PlansQuery(ListQuery):
    """Filters of the list of plans."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    outline: bool = False
    """Without what is long: what cars do, step by step, and which booking each serves."""


class LimitQuery(ListQuery):
    """Filters of the list of limits."""

    station: str | None = None
    site_id: str | None = None
    plan_id: str | None = None
    state: list[LimitState] = Field(default_factory=list[LimitState], max_length=10)
    """Several: in any of them."""
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None


class PlanWish(Document):
    """A site that is to be planned anew."""

    site_id: Id
    time_limit: Duration | None = None
    """For how long the plan is then bettered, at most: PT1S to PT5M. What is found is published as
    a second plan."""


class WishShown(Shown):
    """A wish that was taken."""

    site_id: str
    time_limit_s: float | None
    requested_at: AwareDatetime


@router.get("/plans", response_model=Page[PlanShown], dependencies=[may("read")])
async def list_plans(
    session: Reading, caller: CallerNow, query: Annotated[PlansQuery, Query()]
) -> Response:
    """List plans as they were published; without their limits, which `/plans/{id}` shows.

    A page of whole plans ends where they have 8 MiB together: follow `next_cursor`.
    """
    statement = sa.select(Plan).options(*_HEADING).where(Plan.tenant_id == caller.tenant)
    if query.from_ is not None:
        statement = statement.where(Plan.created_at >= query.from_)
    if query.to is not None:
        statement = statement.where(Plan.created_at < query.to)
    rows, next_cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": Plan.created_at},
        key=[Plan.id],
        updated=[Plan.created_at],
    )
    if query.outline:
        return reply_page([plan_outline(row) for row in rows], next_cursor)
    whole = await whole_plans(session, [row.id for row in rows], PAGE_BYTES_MAX)
    if 0 < len(whole) < len(rows):
        last = whole[-1]
        next_cursor = encode_cursor(query.sort or "created_at", [last.created_at, last.id])
    return reply_page([plan_resource(row, ()) for row in whole], next_cursor)


@router.get("/plans/current", response_model=PlanShown, dependencies=[may("read")])
async def show_current_plan(
    session: Reading, caller: CallerNow, query: Annotated[PlanQuery, Query()]
) -> Response:
    """Show the plan in force, or what of it concerns one site."""
    row = await current_plan(session, tenant=caller.tenant)
    if row is None:
        raise NotFound("there is no plan yet")
    if query.site_id is not None and query.site_id not in row.site_ids:
        raise NotFound(f"the plan has no site {query.site_id}")
    found = plan_resource(row, await limits_of_plan(session, row.id), query.site_id)
    if query.site_id is not None and found["unserved"]:
        starts = await pickup_sites(session, [each["booking"] for each in found["unserved"]])
        found["unserved"] = [
            each for each in found["unserved"] if starts.get(each["booking"]) == query.site_id
        ]
    return reply(found)


@router.get("/plans/{plan_id}", response_model=PlanShown, dependencies=[may("read")])
async def show_plan(session: Reading, caller: CallerNow, plan_id: str) -> Response:
    """Show one plan, with what became of its limits."""
    row = await session.get(Plan, plan_id)
    if row is None or row.tenant_id != caller.tenant:
        raise NotFound(f"there is no plan {plan_id}")
    return reply(plan_resource(row, await limits_of_plan(session, row.id)))


@router.post("/plans", status_code=202, response_model=WishShown, dependencies=[may("operate")])
async def request_plan(request: Request, work: Work, body: PlanWish) -> Response:
    """Ask for a new plan; it is made in the background and announced as `plan.published`.

    With a time limit it is then bettered for so long, all sites together, and announced again. What
    happens meanwhile is planned for at once, and takes nothing of that time but what has passed.
    """
    site = await work.session.get(Site, body.site_id)
    if site is None or site.tenant_id != work.tenant:
        raise bad_field("/site_id", "there is no such site")
    limit_s = None if body.time_limit is None else body.time_limit.total_seconds()
    if limit_s is not None:
        if services_of(request).db.inline:
            raise bad_field("/time_limit", "plans of a replay have none, so that it repeats")
        if not LEAST_S <= limit_s <= LONGEST_PLAN_S:
            raise bad_field("/time_limit", "is from PT1S to PT5M")
    work.request_plan(body.site_id, "asked", time_limit_s=limit_s)
    taken = {"site_id": body.site_id, "time_limit_s": limit_s, "requested_at": work.now}
    return reply(taken, status=202)


@router.get("/limits", response_model=Page[LimitShown], dependencies=[may("read")])
async def list_limits(
    session: Reading, caller: CallerNow, query: Annotated[LimitQuery, Query()]
) -> Response:
    """List limits that were put on EVSEs, with what became of them."""
    statement = sa.select(ChargingLimit).where(ChargingLimit.tenant_id == caller.tenant)
    told = (ChargingLimit.station, ChargingLimit.site_id, ChargingLimit.plan_id)
    statement = filtered(statement, query, *told, ChargingLimit.state)
    if query.from_ is not None:
        statement = statement.where(ChargingLimit.created_at >= query.from_)
    if query.to is not None:
        statement = statement.where(ChargingLimit.created_at < query.to)
    rows, next_cursor = await fetch_page(
        session,
        statement,
        query,
        sorts={"created_at": ChargingLimit.created_at},
        key=[ChargingLimit.id],
        updated=[ChargingLimit.created_at, ChargingLimit.sent_at, ChargingLimit.settled_at],
    )
    return reply_page([limit_resource(row) for row in rows], next_cursor)
