"""What a plan reckons with and decides at its sites, step by step: rows for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from csms.planning.schedules import flexible_name
from models.tables.planning import Plan
from models.timeline import StepGrid, format_rfc3339


class Row(NamedTuple):
    """A step at a site; powers are means of the step, in W."""

    site_id: str
    from_at: str
    to_at: str
    pv_power_w: float
    load_power_w: float
    cars_w: float
    battery_w: float
    flexible_w: float
    pv_used_w: float
    grid_w: float
    import_price_per_kwh: float
    export_price_per_kwh: float
    import_co2_g_per_kwh: float


class _Evse(msgspec.Struct):
    id: str


class _SiteInProblem(msgspec.Struct):
    id: str
    pv_power_w: list[float]
    load_power_w: list[float]
    import_price_per_kwh: list[float]
    export_price_per_kwh: list[float]
    evses: list[_Evse]
    import_co2_g_per_kwh: list[float] | None = None


class _Problem(msgspec.Struct):
    sites: list[_SiteInProblem]


class _Site(msgspec.Struct):
    id: str
    grid_w: list[float]
    battery_w: list[float]
    pv_used_w: list[float]


class _Stay(msgspec.Struct):
    site: str
    evse: str | None


class _Charging(msgspec.Struct):
    evse: str
    from_step: int
    to_step: int
    power_w: float


class _Flexible(msgspec.Struct):
    id: str
    power_w: list[float]


class _Document(msgspec.Struct):
    sites: list[_Site]
    charging: list[_Charging]
    flexible: list[_Flexible] = []


class _Outlook(msgspec.Struct):
    stays: list[_Stay]
    charging: list[_Charging]
    sites: list[_Site]
    unserved: list[Any]


def outlook(plan: Plan, now: datetime, steps: int) -> dict[str, Any]:
    """Returns what a plan means to do at each site from now on, in short.

    Args:
        plan: as it is stored; its problem is not read.
        now: within the first step shown.
        steps: how many at most.
    """
    document = msgspec.json.decode(plan.document, type=_Outlook)
    grid = StepGrid(plan.start, plan.step_minutes, plan.steps)
    first = min(max(0, grid.floor(now)), grid.steps)
    last = min(first + steps, grid.steps)
    site_of = {stay.evse: stay.site for stay in document.stays}
    cars_w = {site.id: [0.0] * (last - first) for site in document.sites}
    for entry in document.charging:
        if entry.power_w > 0 and entry.evse in site_of:
            series = cars_w[site_of[entry.evse]]
            for step in range(max(first, entry.from_step), min(last, entry.to_step)):
                series[step - first] += entry.power_w
    return {
        "plan_id": plan.id,
        "created_at": plan.created_at,
        "status": plan.status,
        "unserved": len(document.unserved),
        "start": grid.instant(first),
        "step_minutes": grid.step_minutes,
        "sites": [
            {
                "site_id": site.id,
                "cars_w": [*map(_watts, cars_w[site.id])],
                "pv_used_w": [*map(_watts, site.pv_used_w[first:last])],
            }
            for site in document.sites
        ],
    }


def timeline(plan: Plan, site_id: str | None) -> list[Row]:
    """Returns the steps of a plan with its problem: site by site, in the order of time.

    Args:
        plan: as it is stored.
        site_id: whose; None: of all sites.
    """
    problem = msgspec.json.decode(plan.problem, type=_Problem)
    document = msgspec.json.decode(plan.document, type=_Document)
    decided = {each.id: each for each in document.sites}
    steps = plan.steps
    cars_w: dict[str, list[float]] = defaultdict(lambda: [0.0] * steps)
    for entry in document.charging:
        series = cars_w[entry.evse]
        for step in range(entry.from_step, min(entry.to_step, steps)):
            series[step] += entry.power_w
    return [
        row
        for site in problem.sites
        if site_id in (None, site.id)
        for row in _rows(plan, site, decided[site.id], cars_w, document.flexible)
    ]


def _rows(
    plan: Plan,
    site: _SiteInProblem,
    decided: _Site,
    cars_w: Mapping[str, Sequence[float]],
    flexible: Sequence[_Flexible],
) -> Iterator[Row]:
    grid = StepGrid(plan.start, plan.step_minutes, plan.steps)
    at = [format_rfc3339(grid.instant(step)) for step in range(grid.steps + 1)]
    cars = [cars_w[evse.id] for evse in site.evses if evse.id in cars_w]
    stores = [each.power_w for each in flexible if each.id.startswith(flexible_name(site.id, ""))]
    co2 = site.import_co2_g_per_kwh or [0.0] * grid.steps
    for step in range(grid.steps):
        yield Row(
            site.id,
            at[step],
            at[step + 1],
            _watts(site.pv_power_w[step]),
            _watts(site.load_power_w[step]),
            _watts(sum(each[step] for each in cars)),
            _watts(decided.battery_w[step]),
            _watts(sum(each[step] for each in stores)),
            _watts(decided.pv_used_w[step]),
            _watts(decided.grid_w[step]),
            round(site.import_price_per_kwh[step], 9),
            round(site.export_price_per_kwh[step], 9),
            round(co2[step], 3),
        )


def _watts(power_w: float) -> float:
    return round(power_w, 1) + 0.0  # no -0.0


def table(rows: Sequence[Row]) -> bytes:
    """Returns rows as CSV (RFC 4180) with the names of their columns first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(Row._fields)
    writer.writerows(rows)
    return text.getvalue().encode()


def documents(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns rows as the REST door shows them."""
    return [row._asdict() for row in rows]
