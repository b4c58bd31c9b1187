"""What a plan wants of batteries and of loads with a store, for whoever runs them.

A schedule goes from now on step by step, and ends some hours after its plan was made: whoever has
heard nothing newer by then is on his own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from csms.ledger.work import UnitOfWork
from csms.planning.rules import SENT_AHEAD
from models.tables.planning import Plan as PlanRow
from models.timeline import StepGrid, format_rfc3339
from scheduler.plan import Plan
from scheduler.problem import Problem

BATTERY, LOAD = "battery", "flexible_load "
"""How what a plan leaves out of a site is called; a load has its id after that."""
IN_THE_SHADOW = "plans command nothing at the site: it is in the shadow"


def flexible_name(site_id: str, load_id: str) -> str:
    """Returns what a load with a store is called in plans, over all sites."""
    return f"{site_id}/{load_id}"


def periods(
    row: PlanRow, series: Mapping[str, Sequence[float]], *, now: datetime
) -> list[dict[str, Any]]:
    """Returns the values of a plan's series from `now` on, step by step, as they are shown.

    Args:
        row: the plan.
        series: one value for each step, by what it is called.
        now: the present.
    """
    grid = StepGrid(row.start, row.step_minutes, row.steps)
    until = min(row.created_at + SENT_AHEAD, grid.end)
    if not grid.start <= now < until:
        return []
    return [
        {
            "from_at": format_rfc3339(max(now, grid.instant(step))),
            "to_at": format_rfc3339(min(until, grid.instant(step + 1))),
            # Adding nothing turns a minus nought, which solvers leave behind, into nought.
            **{name: round(values[step], 1) + 0.0 for name, values in series.items()},
        }
        for step in range(grid.floor(now), min(grid.steps, grid.ceil(until)))
    ]


def schedule(
    row: PlanRow | None, found: Sequence[Mapping[str, Any]], why: str | None = None
) -> dict[str, Any]:
    """Returns what somebody is to do by a plan, as the REST door and the events show it."""
    return {
        "plan_id": None if row is None else row.id,
        "planned_at": None if row is None else row.created_at,
        "periods": found,
        "why": why,
    }


def tell_schedules(work: UnitOfWork, row: PlanRow, problem: Problem, plan: Plan) -> None:
    """Says what batteries and loads are to do by a plan that is being published.

    In the shadow they are told that they run by themselves, and so are those that are left out:
    they would follow the plan before.
    """
    for out in row.left_out:
        load_id = out["what"].removeprefix(LOAD)
        _tell(
            work,
            out["site_id"],
            None if out["what"] == BATTERY else load_id,
            schedule(row, (), out["why"]),
        )
    powers = {each.id: each for each in plan.sites}
    loads = {each.id: each.power_w for each in plan.flexible}
    for site in problem.sites:
        if site.battery is not None:
            power = powers[site.id]
            series = {"power_w": power.battery_w, "grid_w": power.grid_w}
            _tell(work, site.id, None, _told(row, site.id, series, work.now))
        for load in site.flexible_loads:
            load_id = load.id.removeprefix(flexible_name(site.id, ""))
            told = _told(row, site.id, {"power_w": loads[load.id]}, work.now)
            _tell(work, site.id, load_id, told)


def _tell(work: UnitOfWork, site_id: str, load_id: str | None, told: Mapping[str, Any]) -> None:
    """Tells the battery of a site, or one of its loads, its schedule."""
    if load_id is None:
        event, subject, whose = "battery.scheduled", f"site/{site_id}", {"site_id": site_id}
    else:
        event, subject = "flexible_load.scheduled", f"site/{site_id}/flexible-load/{load_id}"
        whose = {"site_id": site_id, "load_id": load_id}
    work.emit(event, subject=subject, resource={**whose, **told}, site_id=site_id)


def _told(
    row: PlanRow, site_id: str, series: Mapping[str, Sequence[float]], now: datetime
) -> dict[str, Any]:
    if site_id in row.shadow_site_ids:
        return schedule(row, (), IN_THE_SHADOW)
    return schedule(row, periods(row, series, now=now))
