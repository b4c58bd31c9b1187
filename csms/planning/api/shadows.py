"""REST: what a plan would have drawn at a site, beside what was metered there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from csms.planning.comparing import Comparison, Drawn, compare
from csms.planning.snapshot import STEP_MINUTES
from csms.web.documents import Instant, Shown
from csms.web.identity import CallerNow
from csms.web.problem import bad_field
from csms.web.reply import reply
from csms.web.route import api_router, may
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.work import Reading
from models.tables.energy import Site
from models.timeline import StepGrid, floor_to_step

router = api_router("plans")
LONGEST = timedelta(hours=48)
"""A plan looks no further ahead."""
_DAY = timedelta(days=1)


class DrawnShown(Shown):
    """What cars drew, or would have drawn."""

    energy_wh: float
    solar_wh: float
    """What the sun had to spare at that time."""
    solar_share: float | None
    """Null: there was no energy."""
    cost: str
    """What that made the site pay more, or be paid less for its sun; a decimal as text."""


class ShadowReport(Shown):
    """A plan beside what happened, in whole quarters of an hour."""

    site_id: str
    shadow: bool
    """Whether the site is in the shadow now."""
    start: AwareDatetime
    end: AwareDatetime
    plan_id: str | None
    """The last plan that was published by the start; null: there was none."""
    measured_steps: int
    """Of how many quarters of an hour sun and building were measured; in others they count as 0."""
    currency: str
    planned: DrawnShown | None
    measured: DrawnShown


class PeriodQuery(BaseModel):
    """The time to look at: by default the last day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None


@router.get(
    "/sites/{site_id}/shadow-report", response_model=ShadowReport, dependencies=[may("read")]
)
async def show_shadow_report(
    request: Request,
    session: Reading,
    caller: CallerNow,
    site_id: str,
    query: Annotated[PeriodQuery, Query()],
) -> Response:
    """Compare what a plan would have drawn at a site with what was metered, by default in a day."""
    site = await find_row(session, Site, site_id, caller.tenant)
    now = services_of(request).clock.now()
    grid = _grid(query, now)
    found = await compare(session, caller.tenant, site_id, grid)
    return reply(_shown(site, grid, found))


def _grid(query: PeriodQuery, now: datetime) -> StepGrid:
    end = floor_to_step(query.to or now, STEP_MINUTES)
    start = end - _DAY if query.from_ is None else floor_to_step(query.from_, STEP_MINUTES)
    if end > now:
        raise bad_field("/to", "lies in the future")
    if start >= end:
        raise bad_field("/from", "begins no quarter of an hour before the end")
    if end - start > LONGEST:
        raise bad_field("/from", "a plan looks 48 hours ahead: ask for no more")
    return StepGrid(start, STEP_MINUTES, round((end - start) / timedelta(minutes=STEP_MINUTES)))


def _shown(site: Site, grid: StepGrid, found: Comparison) -> dict[str, Any]:
    return {
        "site_id": site.id,
        "shadow": site.shadow,
        "start": grid.start,
        "end": grid.end,
        "plan_id": found.plan_id,
        "measured_steps": found.measured_steps,
        "currency": found.currency,
        "planned": None if found.planned is None else _drawn(found.planned),
        "measured": _drawn(found.measured),
    }


def _drawn(drawn: Drawn) -> dict[str, Any]:
    return {
        "energy_wh": round(drawn.energy_wh, 1),
        "solar_wh": round(drawn.solar_wh, 1),
        "solar_share": drawn.solar_share,
        "cost": f"{drawn.cost:.4f}",
    }
